use super::*;

#[test]
fn the_large_body_is_64_kib_to_the_byte() {
    let request = large_request();
    let text = std::str::from_utf8(&request).expect("text");
    let (head, body) = text.split_once("\r\n\r\n").expect("a head");
    assert!(head.contains("Content-Length: 65536"));
    assert_eq!(body.len(), LARGE_BODY);
    serde_json::from_str::<serde_json::Value>(body).expect("the body is JSON");
}

#[test]
fn a_chunk_is_as_large_as_real_ones() {
    for index in 0..CHUNKS - 2 {
        let mut out = Vec::new();
        chunk(index, 1, &mut out);
        assert!((250..=400).contains(&out.len()), "{} bytes", out.len());
    }
}

#[test]
fn the_last_chunk_ends_the_body() {
    let mut out = Vec::new();
    chunk(CHUNKS - 1, 1, &mut out);
    let text = String::from_utf8(out).expect("text");
    assert!(
        text.contains("\"completion_tokens\":62")
            && text.ends_with("data: [DONE]\n\n\r\n0\r\n\r\n")
    );
}
