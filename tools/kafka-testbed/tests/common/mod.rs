//! What the tests share: Kafka's protocol over a raw socket, and waiting for a condition.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::time::{Duration, Instant};

/// Polls until `condition` holds; panics after `limit`.
pub(crate) fn eventually(what: &str, limit: Duration, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + limit;
    while !condition() {
        assert!(Instant::now() < deadline, "not within {limit:?}: {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Whether a process of that number runs; a zombie does not.
pub(crate) fn runs(pid: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(") ")
        .is_some_and(|(_, rest)| !rest.starts_with(['Z', 'X']))
}

/// Whether the process is Kafka's JVM and not a shell around it.
pub(crate) fn is_kafka(pid: u32) -> bool {
    let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    let mut words = line.split(|b| *b == 0).map(String::from_utf8_lossy);
    let java = words
        .next()
        .is_some_and(|w| Path::new(w.as_ref()).ends_with("java"));
    java && words.any(|word| word == "kafka.Kafka")
}

/// Sends one request and returns the response after its correlation id.
pub(crate) fn ask(
    socket: &mut TcpStream,
    key: i16,
    version: i16,
    body: &[u8],
) -> io::Result<Vec<u8>> {
    let mut request = [key.to_be_bytes(), version.to_be_bytes()].concat();
    request.extend([0, 0, 0, 7]);
    request.extend([0, 4]);
    request.extend(b"test");
    request.extend(body);
    socket.write_all(
        &[
            &u32::try_from(request.len()).unwrap().to_be_bytes(),
            &*request,
        ]
        .concat(),
    )?;
    let mut head = [0; 8];
    socket.read_exact(&mut head)?;
    assert_eq!(head[4..], [0, 0, 0, 7], "correlation id");
    let mut rest = vec![0; u32::from_be_bytes([head[0], head[1], head[2], head[3]]) as usize - 4];
    socket.read_exact(&mut rest)?;
    Ok(rest)
}

/// Connects with a limit on each read.
pub(crate) fn connect(address: &str, limit: Duration) -> io::Result<TcpStream> {
    let socket = TcpStream::connect(address)?;
    socket.set_read_timeout(Some(limit))?;
    Ok(socket)
}

/// The API keys and versions a broker supports: (key, lowest, highest).
pub(crate) fn api_versions(address: &str, limit: Duration) -> io::Result<Vec<(i16, i16, i16)>> {
    let answer = ask(&mut connect(address, limit)?, 18, 0, &[])?;
    assert_eq!(answer[..2], [0, 0], "error code");
    let field = |b: &[u8]| i16::from_be_bytes([b[0], b[1]]);
    Ok(answer[6..]
        .chunks_exact(6)
        .map(|c| (field(c), field(&c[2..]), field(&c[4..])))
        .collect())
}

/// Creates a topic with one partition on every node; returns the error code.
pub(crate) fn create_topic(address: &str, name: &str, replicas: i16) -> io::Result<i16> {
    let mut body = vec![0, 0, 0, 1];
    body.extend(u16::try_from(name.len()).unwrap().to_be_bytes());
    body.extend(name.as_bytes());
    body.extend(1_i32.to_be_bytes());
    body.extend(replicas.to_be_bytes());
    body.extend([0; 8]); // no assignments, no configs
    body.extend(10_000_i32.to_be_bytes());
    body.push(0); // not only validate
    let answer = ask(
        &mut connect(address, Duration::from_secs(15))?,
        19,
        2,
        &body,
    )?;
    let code = &answer[4 + 4 + 2 + name.len()..];
    Ok(i16::from_be_bytes([code[0], code[1]]))
}

/// The brokers a broker knows, and whether it knows the topic.
pub(crate) fn metadata(address: &str, topic: &str) -> io::Result<(Vec<i32>, bool)> {
    let mut body = vec![0, 0, 0, 1];
    body.extend(u16::try_from(topic.len()).unwrap().to_be_bytes());
    body.extend(topic.as_bytes());
    let answer = ask(&mut connect(address, Duration::from_secs(5))?, 3, 1, &body)?;
    let mut rest = answer.as_slice();
    let mut take = |n: usize| {
        let (head, tail) = rest.split_at(n);
        rest = tail;
        head.iter()
            .fold(0_i64, |value, byte| value << 8 | i64::from(*byte))
    };
    let count = take(4);
    let mut brokers = Vec::new();
    for _ in 0..count {
        brokers.push(i32::try_from(take(4)).unwrap());
        let host = take(2);
        for _ in 0..host {
            take(1);
        }
        take(4); // port
        assert_eq!(take(2), 0xffff, "no rack");
    }
    take(4); // controller
    assert_eq!(take(4), 1, "one topic");
    brokers.sort_unstable();
    Ok((brokers, take(2) == 0))
}
