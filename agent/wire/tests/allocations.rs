//! Observing a stream's frames allocates nothing once the stream is on its way.

#![expect(clippy::unwrap_used, reason = "a test may")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use weir_wire::{ResponseObserver, detect};

struct Counting;

thread_local! {
    static ALLOCATIONS: Cell<usize> = const { Cell::new(0) };
}

// SAFETY: everything is passed on to the system's allocator unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.with(|count| count.set(count.get() + 1));
        // SAFETY: the caller's promise is passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller's promise is passed on.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn check(host: &str, path: &str, first: &str, frame: &str) {
    let endpoint = detect(host, "POST", path).unwrap();
    let mut observer = ResponseObserver::new(endpoint, 200, Some("text/event-stream"), [1; 32]);
    observer.push(first.as_bytes());
    for _ in 0..10 {
        observer.push(frame.as_bytes());
    }
    let before = ALLOCATIONS.with(Cell::get);
    for _ in 0..1000 {
        observer.push(frame.as_bytes());
    }
    let cut = frame.len() / 2;
    observer.push(&frame.as_bytes()[..cut]);
    observer.push(&frame.as_bytes()[cut..]);
    assert_eq!(ALLOCATIONS.with(Cell::get), before, "{frame}");
    assert!(observer.finish().unread.is_none());
}

#[test]
fn chat() {
    let frame = |delta: &str| {
        format!(
            "data: {{\"id\":\"c1\",\"object\":\"chat.completion.chunk\",\"model\":\"gpt-4o-mini\",\"choices\":[{{\"index\":0,\
             \"delta\":{delta},\"finish_reason\":null}}],\"usage\":null}}\n\n"
        )
    };
    let text = frame(r#"{"content":" river\n"}"#);
    check("api.openai.com", "/v1/chat/completions", &text, &text);
    let call = frame(
        r#"{"tool_calls":[{"index":0,"id":"call_1","function":{"name":"weather","arguments":""}}]}"#,
    );
    let arguments = frame(r#"{"tool_calls":[{"index":0,"function":{"arguments":"{\"city\":"}}]}"#);
    check("api.openai.com", "/v1/chat/completions", &call, &arguments);
}

#[test]
fn messages() {
    let path = "/v1/messages";
    let text = "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\"Hi\"}}\n\n";
    check("api.anthropic.com", path, text, text);
    let call = "event: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":1,\"content_block\":{\"type\":\"tool_use\",\"name\":\"weather\",\"input\":{}}}\n\n";
    let json = "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":1,\"delta\":{\"type\":\"input_json_delta\",\"partial_json\":\"{\\\"ci\"}}\n\n";
    check("api.anthropic.com", path, call, json);
}

#[test]
fn responses() {
    let frame = "event: response.output_text.delta\ndata: {\"type\":\"response.output_text.delta\",\"delta\":\"Hi\"}\n\n";
    check("api.openai.com", "/v1/responses", frame, frame);
    let unnamed = "data: {\"type\":\"response.output_text.delta\",\"delta\":\"Hi\"}\n\n";
    check("api.openai.com", "/v1/responses", unnamed, unnamed);
}
