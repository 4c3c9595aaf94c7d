//! A way to a broker on which answers get lost.

use std::{
    collections::HashSet,
    io,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
};

use parking_lot::Mutex;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
};

/// The protocol's number of a request to store records.
const PRODUCE: [u8; 2] = [0, 0];

/// Passes everything on between clients and the broker at its target.
#[derive(Clone, Debug, Default)]
pub(crate) struct Proxy {
    address: String,
    target: Arc<OnceLock<String>>,
    /// The answer to the next records is to be lost.
    loses_next: Arc<AtomicBool>,
    lost: Arc<AtomicUsize>,
}

impl Proxy {
    /// Listens at a free port of this machine until the runtime ends.
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let proxy = Self {
            address: listener.local_addr().expect("it is bound").to_string(),
            ..Self::default()
        };
        let accepting = proxy.clone();
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let proxy = accepting.clone();
                tokio::spawn(async move {
                    // However it ends, both connections are closed.
                    let _ = proxy.pass(client).await;
                });
            }
        });
        proxy
    }

    /// Where clients connect.
    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    /// Where the broker is.
    pub(crate) fn lead_to(&self, broker: String) {
        self.target.set(broker).expect("it leads nowhere yet");
    }

    /// The broker stores the records that come next, and its answer and the connection are lost.
    pub(crate) fn lose_next_answer(&self) {
        self.loses_next.store(true, Ordering::SeqCst);
    }

    /// How many answers were lost.
    pub(crate) fn lost(&self) -> usize {
        self.lost.load(Ordering::SeqCst)
    }

    async fn pass(&self, client: TcpStream) -> io::Result<()> {
        let target = self.target.get().ok_or(io::ErrorKind::NotConnected)?;
        let (from_broker, to_broker) = TcpStream::connect(target).await?.into_split();
        let (from_client, to_client) = client.into_split();
        let doomed = Mutex::default();
        tokio::select! {
            ended = self.requests(from_client, to_broker, &doomed) => ended,
            ended = self.answers(from_broker, to_client, &doomed) => ended,
        }
    }

    async fn requests(
        &self,
        mut from: OwnedReadHalf,
        mut to: OwnedWriteHalf,
        doomed: &Mutex<HashSet<[u8; 4]>>,
    ) -> io::Result<()> {
        loop {
            let frame = read_frame(&mut from).await?;
            // After its length: the kind, a version, the number that the answer repeats.
            if frame[4..6] == PRODUCE && self.loses_next.swap(false, Ordering::SeqCst) {
                doomed.lock().insert(number(&frame[8..]));
            }
            to.write_all(&frame).await?;
        }
    }

    async fn answers(
        &self,
        mut from: OwnedReadHalf,
        mut to: OwnedWriteHalf,
        doomed: &Mutex<HashSet<[u8; 4]>>,
    ) -> io::Result<()> {
        loop {
            let frame = read_frame(&mut from).await?;
            if doomed.lock().contains(&number(&frame[4..])) {
                self.lost.fetch_add(1, Ordering::SeqCst);
                return Ok(());
            }
            to.write_all(&frame).await?;
        }
    }
}

/// The next request or answer with its length.
async fn read_frame(from: &mut OwnedReadHalf) -> io::Result<Vec<u8>> {
    let len = from.read_u32().await?;
    let mut frame = len.to_be_bytes().to_vec();
    frame.resize(4 + len as usize, 0);
    from.read_exact(&mut frame[4..]).await?;
    Ok(frame)
}

fn number(bytes: &[u8]) -> [u8; 4] {
    bytes[..4].try_into().expect("there are four")
}
