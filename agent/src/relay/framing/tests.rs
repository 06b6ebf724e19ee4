use super::*;
use proptest::prelude::*;

fn header<'a>(name: &'a str, value: &'a str) -> Header<'a> {
    Header { name, value: value.as_bytes() }
}

/// Follows `bytes` cut into pieces of `piece` bytes: (body data, bytes of the message) or why not.
fn follow(
    start: &Framing,
    bytes: &[u8],
    piece: usize,
) -> Result<(Vec<u8>, usize, bool), Ambiguous> {
    let mut framing = start.clone();
    let (mut body, mut consumed) = (Vec::new(), 0);
    for part in bytes.chunks(piece) {
        let n = framing.advance(part, &mut |data| body.extend_from_slice(data))?;
        consumed += n;
        if n < part.len() {
            break;
        }
    }
    Ok((body, consumed, framing.is_done()))
}

#[track_caller]
fn check_chunked(bytes: &str, expected: Result<(&str, usize), &'static str>) {
    for piece in [1, 2, 3, 7, 4096] {
        let found = follow(&Framing::Chunked(Chunk::START), bytes.as_bytes(), piece);
        match (&found, expected) {
            (Ok((body, consumed, true)), Ok((text, length))) => {
                assert_eq!(
                    (body.as_slice(), *consumed),
                    (text.as_bytes(), length),
                    "pieces of {piece}"
                );
            }
            (Err(Ambiguous(why)), Err(reason)) => assert_eq!(*why, reason),
            _ => panic!("{found:?} is not {expected:?} in pieces of {piece}"),
        }
    }
}

#[test]
fn chunked_bodies() {
    check_chunked("0\r\n\r\n", Ok(("", 5)));
    check_chunked("5\r\nhello\r\n0\r\n\r\nNEXT", Ok(("hello", 15)));
    check_chunked("5;a=b\r\nhello\r\n1 \r\n!\r\n0\r\nX-T: 1\r\nY: 2\r\n\r\n", Ok(("hello!", 40)));
    check_chunked("A\r\n0123456789\r\n00\r\n\r\n", Ok(("0123456789", 21)));
}

#[test]
fn refused_chunks() {
    check_chunked("\r\n\r\n", Err("a chunk size is not hex"));
    check_chunked("5\nhello\n0\n\n", Err("a chunk size is not hex"));
    check_chunked("5\r\nhelloXX0\r\n\r\n", Err("a chunk's data does not end in CRLF"));
    check_chunked("-1\r\n", Err("a chunk size is not hex"));
    check_chunked("0000000000000000\r\n", Err("a chunk size is too large"));
    check_chunked("0\r\nX: 1\n\r\n", Err("a bare LF in trailers"));
}

fn of_request(headers: &[Header<'_>]) -> Result<Framing, Ambiguous> {
    Framing::of_request(Version::Http11, "POST", headers)
}

#[test]
fn tunnels_and_codings_of_the_future_are_refused() {
    let chunked = [header("Transfer-Encoding", "chunked")];
    assert!(Framing::of_request(Version::Http10, "POST", &chunked).is_err());
    assert!(Framing::of_response(Version::Http10, "GET", 200, &chunked).is_err());
    assert!(Framing::of_request(Version::Http11, "POST", &chunked).is_ok());
    assert!(Framing::of_request(Version::Http11, "CONNECT", &[]).is_err());
}

#[test]
fn ambiguous_lengths_are_refused() {
    let both = [header("Content-Length", "3"), header("Transfer-Encoding", "chunked")];
    assert!(of_request(&both).is_err());
    let twice = [header("Content-Length", "3"), header("content-length", "4")];
    assert!(of_request(&twice).is_err());
    assert!(of_request(&[header("Content-Length", "+3")]).is_err());
    assert!(of_request(&[header("Transfer-Encoding", "gzip, chunked")]).is_err());
    assert_eq!(
        of_request(&[header("content-length", "3"), header("content-length", "3")]),
        Ok(Framing::Length(3))
    );
}

#[test]
fn answers_without_a_body() {
    let length = [header("Content-Length", "3")];
    for (method, status) in [("HEAD", 200), ("GET", 204), ("GET", 304), ("GET", 103)] {
        assert_eq!(
            Framing::of_response(Version::Http11, method, status, &length),
            Ok(Framing::Done)
        );
    }
    assert_eq!(Framing::of_response(Version::Http11, "GET", 200, &[]), Ok(Framing::UntilClose));
}

proptest! {
    #[test]
    fn any_cut_gives_the_same(bytes in proptest::collection::vec(any::<u8>(), 0..200), piece in 1usize..50) {
        let start = Framing::Chunked(Chunk::START);
        prop_assert_eq!(follow(&start, &bytes, piece), follow(&start, &bytes, 4096));
    }

    #[test]
    fn chunks_come_back(parts in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 1..40), 0..8), piece in 1usize..50) {
        let mut encoded = Vec::new();
        for part in &parts {
            encoded.extend_from_slice(format!("{:x}\r\n", part.len()).as_bytes());
            encoded.extend_from_slice(part);
            encoded.extend_from_slice(b"\r\n");
        }
        encoded.extend_from_slice(b"0\r\n\r\n");
        let found = follow(&Framing::Chunked(Chunk::START), &encoded, piece);
        prop_assert_eq!(found, Ok((parts.concat(), encoded.len(), true)));
    }
}
