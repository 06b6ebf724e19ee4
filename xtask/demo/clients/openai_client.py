"""What anyone writes with the OpenAI SDK: no base URL, no proxy, no word of weir. Prints what it saw as JSON."""

import json
import sys

from openai import OpenAI

QUESTION = [{"role": "user", "content": "In one sentence: what is a weir?"}]
TOOL = {
    "type": "function",
    "function": {
        "name": "water_level",
        "description": "The water level of a river",
        "parameters": {
            "type": "object",
            "properties": {"river": {"type": "string"}, "unit": {"type": "string"}},
            "required": ["river"],
        },
    },
}


def plain(client):
    answer = client.chat.completions.create(model="gpt-4o-mini", messages=QUESTION)
    return {"text": answer.choices[0].message.content, **tokens(answer)}


def stream(client):
    text, chunks, last = "", 0, None
    options = {"include_usage": True}
    for chunk in client.chat.completions.create(
        model="gpt-4o-mini", messages=QUESTION, stream=True, stream_options=options
    ):
        chunks += 1
        last = chunk
        for choice in chunk.choices:
            text += choice.delta.content or ""
    return {"text": text, "chunks": chunks, **tokens(last)}


def tool(client):
    answer = client.chat.completions.create(model="gpt-4o-mini", messages=QUESTION, tools=[TOOL])
    call = answer.choices[0].message.tool_calls[0].function
    return {"tool": call.name, "arguments": json.loads(call.arguments), **tokens(answer)}


def embeddings(client):
    answer = client.embeddings.create(model="text-embedding-3-small", input=["upstream", "downstream"])
    return {"vectors": len(answer.data), "input": answer.usage.prompt_tokens, "output": None, "cached": None}


def tokens(answer):
    usage = answer.usage
    return {
        "input": usage.prompt_tokens,
        "output": usage.completion_tokens,
        "cached": usage.prompt_tokens_details.cached_tokens,
    }


if __name__ == "__main__":
    print(json.dumps(globals()[sys.argv[1]](OpenAI())))
