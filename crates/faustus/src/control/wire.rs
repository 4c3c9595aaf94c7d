//! Frames: the length of the head and that of the body as little-endian u32, the head as JSON, the body.

use std::io;

use serde::{Serialize, de::DeserializeOwned};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

/// What begins every head, so that two versions tell each other apart.
pub(super) const VERSION: u32 = 1;

/// The longest head and the longest body, in bytes: whoever says more is not one of us.
const LONGEST: [u32; 2] = [16 << 20, 1 << 30];

/// Writes a frame.
///
/// # Errors
///
/// Those of writing, and a head or body that is too long.
pub(super) async fn write_frame(
    to: &mut (impl AsyncWrite + Unpin),
    head: &impl Serialize,
    body: &[u8],
) -> io::Result<()> {
    let head = serde_json::to_vec(head)?;
    let mut frame = Vec::with_capacity(8 + head.len());
    for (part, longest) in [&*head, body].iter().zip(LONGEST) {
        let len = u32::try_from(part.len()).ok().filter(|len| *len <= longest);
        let len = len.ok_or_else(|| too_long(part.len()))?;
        frame.extend_from_slice(&len.to_le_bytes());
    }
    frame.extend_from_slice(&head);
    to.write_all(&frame).await?;
    to.write_all(body).await?;
    to.flush().await
}

/// Reads a frame.
///
/// # Errors
///
/// Those of reading, lengths beyond all measure, and a head that is none.
pub(super) async fn read_frame<T: DeserializeOwned>(
    from: &mut (impl AsyncRead + Unpin),
) -> io::Result<(T, Vec<u8>)> {
    let mut parts = [Vec::new(), Vec::new()];
    let mut lens = [0; 2];
    for (len, longest) in lens.iter_mut().zip(LONGEST) {
        *len = from.read_u32_le().await?;
        if *len > longest {
            return Err(too_long(*len as usize));
        }
    }
    for (part, len) in parts.iter_mut().zip(lens) {
        // It grows with what comes, not with what is announced.
        let read = (&mut *from).take(len.into()).read_to_end(part).await?;
        if read < len as usize {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
    let [head, body] = parts;
    Ok((serde_json::from_slice(&head)?, body))
}

fn too_long(bytes: usize) -> io::Error {
    io::Error::new(
        io::ErrorKind::InvalidData,
        format!("a message of {bytes} bytes is too long"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_frame_is_read_as_it_was_written() {
        let mut bytes = Vec::new();
        write_frame(&mut bytes, &("head", 1), b"body")
            .await
            .unwrap();
        write_frame(&mut bytes, &("next", 2), b"").await.unwrap();
        let mut from = &*bytes;
        let read: ((String, u8), Vec<u8>) = read_frame(&mut from).await.unwrap();
        assert_eq!(read, (("head".to_owned(), 1), b"body".to_vec()));
        let read: ((String, u8), Vec<u8>) = read_frame(&mut from).await.unwrap();
        assert_eq!(read.0.1, 2);
        assert!(from.is_empty());
    }

    #[tokio::test]
    async fn a_frame_that_was_cut_or_is_none_is_an_error() {
        let mut bytes = Vec::new();
        write_frame(&mut bytes, &"head", b"body").await.unwrap();
        for cut in 0..bytes.len() {
            assert!(
                read_frame::<String>(&mut &bytes[..cut]).await.is_err(),
                "{cut}"
            );
        }
        assert!(
            read_frame::<String>(&mut &b"GET / HTTP/1.1\r\n\r\n"[..])
                .await
                .is_err()
        );
    }
}
