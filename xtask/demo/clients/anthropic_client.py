"""What anyone writes with the Anthropic SDK: no base URL, no proxy, no word of weir. Prints what it saw as JSON."""

import json
import sys

from anthropic import Anthropic

ASKED = {
    "model": "claude-sonnet-4-5",
    "max_tokens": 200,
    "messages": [{"role": "user", "content": "In one sentence: what is a weir?"}],
}


def plain(client):
    answer = client.messages.create(**ASKED)
    return {"text": answer.content[0].text, **tokens(answer)}


def stream(client):
    chunks = 0
    with client.messages.stream(**ASKED) as events:
        for _ in events.text_stream:
            chunks += 1
        answer = events.get_final_message()
    return {"text": answer.content[0].text, "chunks": chunks, **tokens(answer)}


def tokens(answer):
    usage = answer.usage
    read, written = usage.cache_read_input_tokens or 0, usage.cache_creation_input_tokens or 0
    return {"input": usage.input_tokens + read + written, "output": usage.output_tokens, "cached": read}


if __name__ == "__main__":
    print(json.dumps(globals()[sys.argv[1]](Anthropic())))
