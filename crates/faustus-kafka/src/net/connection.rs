//! One TCP connection to one broker, with one request on its way at a time.
//!
//! A broker answers the requests of a connection in order and holds back the next while one waits
//! (a join waits for minutes), so a connection belongs to one call at a time. A call that is dropped
//! or fails drops its connection: no half-written frame and no late answer can ever meet another
//! call.

use std::{collections::HashMap, io, time::Duration};

use bytes::{Buf, BufMut, Bytes, BytesMut};
use kafka_protocol::{
    error::ParseResponseErrorCode,
    messages::{ApiVersionsRequest, RequestHeader, ResponseHeader},
    protocol::{Decodable, Encodable, HeaderVersion, Request, StrBytes, VersionRange},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

use crate::{error::CallError, options::Address};

/// Larger answers than this are taken for garbage: the far end speaks no Kafka, or TLS.
const MAX_FRAME: usize = 256 * 1024 * 1024;

/// A connection that is ready for a request.
#[derive(Debug)]
pub(crate) struct Connection {
    address: Address,
    client_id: StrBytes,
    stream: TcpStream,
    correlation: i32,
    /// What the broker can speak, by API key.
    versions: HashMap<i16, VersionRange>,
}

impl Connection {
    /// Connects and asks the broker what it speaks, all within `limit`.
    pub(crate) async fn open(
        address: Address,
        client_id: StrBytes,
        limit: Duration,
    ) -> Result<Self, CallError> {
        let shown = address.to_string();
        let opening = async {
            let stream = TcpStream::connect((address.host.as_str(), address.port))
                .await
                .map_err(|error| CallError::Unreachable(format!("{address}: {error}")))?;
            // Without it small requests wait for acknowledgements of earlier ones.
            stream
                .set_nodelay(true)
                .map_err(|error| CallError::Unreachable(format!("{address}: {error}")))?;
            let mut connection = Self {
                address,
                client_id,
                stream,
                correlation: 0,
                versions: HashMap::new(),
            };
            connection.negotiate().await?;
            Ok(connection)
        };
        timeout(limit, opening).await.unwrap_or_else(|_| {
            Err(CallError::Unreachable(format!(
                "{shown}: no answer within {} ms",
                limit.as_millis()
            )))
        })
    }

    /// Where the broker listens.
    pub(crate) fn address(&self) -> &Address {
        &self.address
    }

    /// Whether it can take a request: the broker did not close it meanwhile.
    pub(crate) fn is_usable(&self) -> bool {
        let mut byte = [0];
        matches!(self.stream.try_read(&mut byte), Err(error) if error.kind() == io::ErrorKind::WouldBlock)
    }

    /// Sends `request` in the newest version that both sides know, at most `max_version`, and waits
    /// for the answer as long as it takes.
    ///
    /// # Cancel safety
    ///
    /// Not cancel safe: a connection whose call was dropped must be dropped too.
    pub(crate) async fn call<R: Request>(
        &mut self,
        request: &R,
        max_version: i16,
    ) -> Result<R::Response, CallError> {
        let version = self.version::<R>(max_version)?;
        let frame = self.encode(request, version)?;
        self.stream
            .write_all(&frame)
            .await
            .map_err(|error| self.lost(&error))?;
        let mut answer = self.read_frame().await?;
        self.decode::<R>(&mut answer, version)
    }

    /// Learns what the broker speaks. A broker of any age answers version 0.
    async fn negotiate(&mut self) -> Result<(), CallError> {
        self.versions
            .insert(ApiVersionsRequest::KEY, VersionRange { min: 0, max: 0 });
        let answer = self
            .call(&ApiVersionsRequest::default(), 0)
            .await
            .map_err(|error| {
                CallError::Unreachable(format!(
                    "{error}; it may be no Kafka broker, or listen with TLS at this port"
                ))
            })?;
        if let Some(code) = answer.error_code.err() {
            return Err(CallError::refused(
                code,
                format!("{}: versions", self.address),
            ));
        }
        self.versions = answer
            .api_keys
            .iter()
            .map(|api| {
                let range = VersionRange {
                    min: api.min_version,
                    max: api.max_version,
                };
                (api.api_key, range)
            })
            .collect();
        Ok(())
    }

    fn version<R: Request>(&self, max_version: i16) -> Result<i16, CallError> {
        let ours = VersionRange {
            min: R::VERSIONS.min,
            max: max_version,
        };
        let both = self
            .versions
            .get(&R::KEY)
            .map(|theirs| theirs.intersect(&ours))
            .filter(|both| !both.is_empty());
        both.map(|both| both.max).ok_or_else(|| {
            CallError::Protocol(format!(
                "the broker at {} does not speak request {} in version {ours}; Kafka 2.8 or newer is needed",
                self.address,
                R::KEY
            ))
        })
    }

    fn encode<R: Request>(&mut self, request: &R, version: i16) -> Result<Bytes, CallError> {
        self.correlation = self.correlation.wrapping_add(1);
        let header = RequestHeader::default()
            .with_request_api_key(R::KEY)
            .with_request_api_version(version)
            .with_correlation_id(self.correlation)
            .with_client_id(Some(self.client_id.clone()));
        let mut frame = BytesMut::new();
        frame.put_u32(0);
        header
            .encode(&mut frame, R::header_version(version))
            .and_then(|()| request.encode(&mut frame, version))
            .map_err(|error| {
                CallError::Protocol(format!("request {} version {version}: {error}", R::KEY))
            })?;
        let len = u32::try_from(frame.len() - 4)
            .map_err(|_| CallError::Protocol("the request is larger than 4 GiB".to_owned()))?;
        frame[..4].copy_from_slice(&len.to_be_bytes());
        Ok(frame.freeze())
    }

    async fn read_frame(&mut self) -> Result<Bytes, CallError> {
        let len = self
            .stream
            .read_u32()
            .await
            .map_err(|error| self.lost(&error))? as usize;
        if !(4..=MAX_FRAME).contains(&len) {
            return Err(CallError::Lost(format!(
                "{}: an answer of {len} bytes is no answer of a Kafka broker",
                self.address
            )));
        }
        // Not allocated ahead: a wrong length must not cost its memory.
        let mut frame = BytesMut::with_capacity(len.min(64 * 1024));
        while frame.len() < len {
            let missing = len - frame.len();
            frame.reserve(missing.min(64 * 1024));
            let read = (&mut self.stream)
                .take(missing as u64)
                .read_buf(&mut frame)
                .await
                .map_err(|error| self.lost(&error))?;
            if read == 0 {
                return Err(self.lost(&io::ErrorKind::UnexpectedEof.into()));
            }
        }
        Ok(frame.freeze())
    }

    fn decode<R: Request>(
        &self,
        frame: &mut Bytes,
        version: i16,
    ) -> Result<R::Response, CallError> {
        let broken = |error: &dyn std::fmt::Display| {
            CallError::Lost(format!(
                "{}: the answer to request {} version {version} does not decode: {error}",
                self.address,
                R::KEY
            ))
        };
        let header = ResponseHeader::decode(frame, R::Response::header_version(version))
            .map_err(|error| broken(&error))?;
        if header.correlation_id != self.correlation {
            return Err(broken(&"it belongs to another request"));
        }
        let answer = R::Response::decode(frame, version).map_err(|error| broken(&error))?;
        if frame.has_remaining() {
            return Err(broken(&"it is longer than it should be"));
        }
        Ok(answer)
    }

    fn lost(&self, error: &io::Error) -> CallError {
        let text = match error.kind() {
            io::ErrorKind::UnexpectedEof => "the broker closed the connection".to_owned(),
            _ => error.to_string(),
        };
        CallError::Lost(format!("{}: {text}", self.address))
    }
}
