//! Owns the two questions that tell whether a broker is ready, in Kafka's protocol over a plain
//! socket. Guarantees that a question is answered or given up within a second.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(1);
const METADATA: (i16, i16) = (3, 4);
const FIND_COORDINATOR: (i16, i16) = (10, 1);

/// What a broker knows of its cluster.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Metadata {
    /// The cluster's identifier.
    pub(crate) cluster: String,
    /// The brokers that are registered and not fenced.
    pub(crate) brokers: Vec<i32>,
}

/// A coordinator to ask for; the answer exists once its internal topic does.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Coordinator {
    Group = 0,
    Transaction = 1,
}

/// Asks the broker on `port` for the cluster's metadata.
pub(crate) fn metadata(port: u16) -> io::Result<Metadata> {
    // No topics; none to be created.
    let answer = ask(port, METADATA, &[0, 0, 0, 0, 0])?;
    read_metadata(&mut Answer(&answer))
}

/// Asks the broker on `port` whether it knows a coordinator of that kind.
pub(crate) fn find_coordinator(port: u16, kind: Coordinator) -> io::Result<()> {
    let mut body = string("kafka-testbed");
    body.push(kind as u8);
    let answer = ask(port, FIND_COORDINATOR, &body)?;
    let mut answer = Answer(&answer);
    answer.i32()?; // throttle time
    match answer.i16()? {
        0 => Ok(()),
        code => Err(io::Error::other(format!(
            "no {kind:?} coordinator yet (error code {code})"
        ))),
    }
}

fn read_metadata(answer: &mut Answer<'_>) -> io::Result<Metadata> {
    answer.i32()?; // throttle time
    let count = answer.i32()?;
    let mut brokers = Vec::new();
    for _ in 0..count {
        brokers.push(answer.i32()?);
        answer.string()?; // host
        answer.i32()?; // port
        answer.string()?; // rack
    }
    Ok(Metadata {
        cluster: answer.string()?,
        brokers,
    })
}

/// Sends one request on a new connection and returns the body of the response.
fn ask(port: u16, (key, version): (i16, i16), body: &[u8]) -> io::Result<Vec<u8>> {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let mut socket = TcpStream::connect_timeout(&address, LIMIT)?;
    socket.set_read_timeout(Some(LIMIT))?;
    socket.set_write_timeout(Some(LIMIT))?;
    let mut request = Vec::new();
    request.extend(key.to_be_bytes());
    request.extend(version.to_be_bytes());
    request.extend([0, 0, 0, 1]); // correlation id
    request.extend(string("kafka-testbed"));
    request.extend(body);
    let size = u32::try_from(request.len()).map_err(io::Error::other)?;
    socket.write_all(&[&size.to_be_bytes(), request.as_slice()].concat())?;
    let mut size = [0; 4];
    socket.read_exact(&mut size)?;
    let size = u32::from_be_bytes(size);
    if !(4..1 << 20).contains(&size) {
        return Err(io::Error::other("not an answer of a Kafka broker"));
    }
    let mut answer = Vec::new();
    socket.take(u64::from(size)).read_to_end(&mut answer)?;
    Ok(answer.split_off(answer.len().min(4)))
}

fn string(text: &str) -> Vec<u8> {
    let length = u16::try_from(text.len()).unwrap_or_default();
    [&length.to_be_bytes(), text.as_bytes()].concat()
}

/// Reads the fields of a response.
struct Answer<'a>(&'a [u8]);

impl Answer<'_> {
    fn take(&mut self, count: usize) -> io::Result<&[u8]> {
        let (head, tail) = self
            .0
            .split_at_checked(count)
            .ok_or(io::ErrorKind::UnexpectedEof)?;
        self.0 = tail;
        Ok(head)
    }

    fn array<const N: usize>(&mut self) -> io::Result<[u8; N]> {
        self.take(N)?.try_into().map_err(io::Error::other)
    }

    fn i16(&mut self) -> io::Result<i16> {
        self.array().map(i16::from_be_bytes)
    }

    fn i32(&mut self) -> io::Result<i32> {
        self.array().map(i32::from_be_bytes)
    }

    /// A string; empty where the broker sent null.
    fn string(&mut self) -> io::Result<String> {
        let length = usize::try_from(self.i16()?).unwrap_or(0);
        Ok(String::from_utf8_lossy(self.take(length)?).into_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_metadata_and_refuses_a_cut_one() {
        let mut bytes = vec![0, 0, 0, 0, 0, 0, 0, 2];
        for id in 1..=2 {
            bytes.extend([0, 0, 0, id]);
            bytes.extend(string("127.0.0.1"));
            bytes.extend([0, 0, 0x50, 0, 0xff, 0xff]);
        }
        bytes.extend(string("abc"));
        let whole = read_metadata(&mut Answer(&bytes)).unwrap();
        assert_eq!(
            whole,
            Metadata {
                cluster: "abc".to_owned(),
                brokers: vec![1, 2]
            }
        );
        for end in 0..bytes.len() {
            assert!(read_metadata(&mut Answer(&bytes[..end])).is_err());
        }
    }
}
