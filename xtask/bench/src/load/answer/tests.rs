use super::*;

const BODY: &[u8] = b"5\r\nhello\r\n1c\r\n, chunked and split anywhere\r\n0\r\n\r\n";

#[test]
fn any_cut_gives_the_same_content() {
    for cut in 0..BODY.len() {
        let (mut framing, mut out) = (Chunked::default(), Vec::new());
        assert!(!framing.decode(&BODY[..cut], &mut out).expect("first part"));
        assert!(framing.decode(&BODY[cut..], &mut out).expect("second part"));
        assert_eq!(out, b"hello, chunked and split anywhere");
    }
}

#[test]
fn a_broken_frame_is_an_error() {
    for broken in [&b"x\r\n"[..], b"1\r\nab\r\n", b"0\r\nX: y\r\n\r\n"] {
        assert!(Chunked::default().decode(broken, &mut Vec::new()).is_err());
    }
}

#[test]
fn only_a_good_answer_counts() {
    let ok = b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc";
    assert_eq!(Body::from_head(ok).expect("head"), Some((Body::Length(3), ok.len() - 3)));
    assert_eq!(Body::from_head(&ok[..20]).expect("incomplete"), None);
    assert!(Body::from_head(b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 3\r\n\r\n").is_err());
}
