//! The side of a command: calls to a process that was found at a socket.

use std::{fmt, io, path::PathBuf, time::Duration};

use serde::de::DeserializeOwned;
use tokio::net::UnixStream;

use super::{
    Call, Greeting, Place,
    answers::{Answer, Failure},
    call::Request,
    in_time,
    wire::{read_frame, write_frame},
};
use crate::{Error, ErrorKind, Result};

/// How long a process may take to say who it is.
const GREETING: Duration = Duration::from_secs(2);

/// A process that has a log, and perhaps a worker on it.
#[derive(Clone, Debug)]
pub(crate) struct Attached {
    address: PathBuf,
    greeting: Greeting,
}

/// Somebody has a socket and does not answer there, or lets nobody in.
#[derive(Debug)]
pub(crate) struct Silence {
    address: PathBuf,
    pid: Option<u32>,
    why: String,
}

impl fmt::Display for Silence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (address, why) = (self.address.display(), &self.why);
        match self.pid {
            Some(pid) => write!(f, "process {pid} {why} at {address}"),
            None => write!(f, "somebody {why} at {address}"),
        }
    }
}

impl Attached {
    /// All processes that answer at `place`, and those that have a socket there and do not answer.
    ///
    /// A socket that a dead process left is nobody.
    pub(crate) async fn all(place: &Place) -> (Vec<Self>, Vec<Silence>) {
        let found = place.candidates().into_iter().map(Self::meet);
        let (mut there, mut silent) = (Vec::new(), Vec::new());
        for met in futures_util::future::join_all(found).await {
            match met {
                Ok(Some(attached)) => there.push(attached),
                Ok(None) => {}
                Err(silence) => silent.push(silence),
            }
        }
        (there, silent)
    }

    async fn meet(address: PathBuf) -> Result<Option<Self>, Silence> {
        let silence = |pid, why: String| Silence {
            address: address.clone(),
            pid,
            why,
        };
        let mut stream = match UnixStream::connect(&address).await {
            Ok(stream) => stream,
            Err(error) => {
                return match error.kind() {
                    io::ErrorKind::ConnectionRefused | io::ErrorKind::NotFound => Ok(None),
                    io::ErrorKind::PermissionDenied => Err(silence(
                        None,
                        "else's directory lets nobody in, run this as its user:".to_owned(),
                    )),
                    _ => Err(silence(None, format!("cannot be reached ({error})"))),
                };
            }
        };
        let pid = stream.peer_cred().ok().and_then(|peer| peer.pid());
        let pid = pid.and_then(|pid| u32::try_from(pid).ok());
        let exchanged = exchange(&mut stream, Call::Hello, &[]);
        match in_time(GREETING, exchanged).await {
            Some(Ok((greeting, _))) => Ok(Some(Self { address, greeting })),
            Some(Err(Lost::Io(error))) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(None),
            Some(Err(lost)) => Err(silence(pid, format!("answers otherwise ({lost})"))),
            None => {
                let why = "does not answer within two seconds, so it hangs or is stopped: let it go on or end it. Its socket is";
                Err(silence(pid, why.to_owned()))
            }
        }
    }

    /// Who it is.
    pub(crate) fn greeting(&self) -> &Greeting {
        &self.greeting
    }

    /// What a call gives.
    ///
    /// # Errors
    ///
    /// Those of the call; of kind [`Unavailable`](ErrorKind::Unavailable) if the process is gone.
    pub(crate) async fn ask<T: DeserializeOwned>(&self, call: Call) -> Result<T> {
        match self.exchange(call, &[]).await {
            Ok((value, _)) => Ok(value),
            Err(Lost::Failed(failure)) => Err(failure.into()),
            Err(lost) => Err(Error::new(ErrorKind::Unavailable, self.gone(&lost))),
        }
    }

    /// What a call gives, with the bytes that come along.
    pub(super) async fn exchange<T: DeserializeOwned>(
        &self,
        call: Call,
        body: &[u8],
    ) -> Result<(T, Vec<u8>), Lost> {
        let stream = UnixStream::connect(&self.address).await;
        exchange(&mut stream.map_err(Lost::Unsent)?, call, body).await
    }

    pub(super) fn gone(&self, lost: &Lost) -> String {
        format!("process {} has gone ({lost})", self.greeting.pid)
    }
}

/// Why there is no answer.
#[derive(Debug)]
pub(super) enum Lost {
    /// It is the answer: the call failed.
    Failed(Failure),
    /// Nothing was said.
    Unsent(io::Error),
    /// The call may have been heard.
    Io(io::Error),
}

impl fmt::Display for Lost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Failed(failure) => Error::from(failure.clone()).fmt(f),
            Self::Unsent(error) | Self::Io(error) => error.fmt(f),
        }
    }
}

async fn exchange<T: DeserializeOwned>(
    stream: &mut UnixStream,
    call: Call,
    body: &[u8],
) -> Result<(T, Vec<u8>), Lost> {
    write_frame(stream, &Request::new(call), body)
        .await
        .map_err(Lost::Io)?;
    match read_frame(stream).await.map_err(Lost::Io)? {
        (Answer::Done(value), body) => {
            let value = serde_json::from_value(value);
            Ok((value.map_err(|error| Lost::Io(error.into()))?, body))
        }
        (Answer::Failed(failure), _) => Err(Lost::Failed(failure)),
    }
}
