"""Chat Completions through the official OpenAI SDK for Python: only the base URL and the key are changed."""

import asyncio
import json

import openai
from cases import KEY, URL, case, equal, raises, run
from openai import AsyncOpenAI, OpenAI
from pydantic import BaseModel

BASE = f"{URL}/compatible-mode/v1"
client = OpenAI(api_key=KEY, base_url=BASE, max_retries=0)

WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "Weather of a city",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}


def user(text):
    return [{"role": "user", "content": text}]


def chat(model, text="Hello there, world!", **more):
    return client.chat.completions.create(model=model, messages=user(text), **more)


@case("answers and echoes the id that was asked for")
def _():
    answer = chat("qwen-plus")
    equal(answer.model, "qwen-plus")
    equal(answer.choices[0].message.content, "Hello there, world!")
    equal(answer.choices[0].finish_reason, "stop")
    equal(answer.usage.total_tokens, answer.usage.prompt_tokens + answer.usage.completion_tokens)


@case("streams what it answers whole")
def _():
    chunks = list(chat("scripted/text-40", stream=True, stream_options={"include_usage": True}))
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    whole = chat("scripted/text-40")
    equal(text, whole.choices[0].message.content)
    equal(chunks[-1].choices, [])
    equal(chunks[-1].usage, whole.usage)


@case("streams through the helper")
def _():
    with client.chat.completions.stream(model="scripted/text-20", messages=user("a")) as stream:
        for _ in stream:
            pass
        equal(stream.get_final_completion().choices[0].finish_reason, "stop")


@case("thinks first, and counts it")
def _():
    stream = chat(
        "scripted/reasoning",
        stream=True,
        stream_options={"include_usage": True},
        extra_body={"enable_thinking": True, "thinking_budget": 8},
    )
    order, usage = [], None
    for chunk in stream:
        usage = chunk.usage or usage
        if not chunk.choices:
            continue
        delta = chunk.choices[0].delta
        for kind in ("reasoning_content", "content"):
            if getattr(delta, kind, None) and kind not in order:
                order.append(kind)
    equal(order, ["reasoning_content", "content"])
    equal(usage.completion_tokens_details.reasoning_tokens, 8)


@case("calls a tool, takes its result, answers")
def _():
    messages = user("Weather in Beijing?")
    first = client.chat.completions.create(model="scripted/tool-call", messages=messages, tools=[WEATHER])
    equal(first.choices[0].finish_reason, "tool_calls")
    call = first.choices[0].message.tool_calls[0]
    equal(call.function.name, "get_weather")
    equal(list(json.loads(call.function.arguments)), ["city"])
    messages += [first.choices[0].message, {"role": "tool", "tool_call_id": call.id, "content": "sunny"}]
    second = client.chat.completions.create(model="scripted/tool-call", messages=messages, tools=[WEATHER])
    assert "sunny" in second.choices[0].message.content


@case("streams parallel calls whose arguments add up")
def _():
    stream = chat(
        "scripted/parallel-calls", tools=[WEATHER], stream=True, extra_body={"parallel_tool_calls": True}
    )
    arguments = {}
    for chunk in stream:
        for call in (chunk.choices[0].delta.tool_calls if chunk.choices else None) or []:
            arguments[call.index] = arguments.get(call.index, "") + (call.function.arguments or "")
    equal(sorted(arguments), [0, 1])
    for text in arguments.values():
        json.loads(text)


@case("parses an answer into a model")
def _():
    class Trip(BaseModel):
        city: str
        days: int

    answer = client.chat.completions.parse(model="scripted/json", messages=user("as json"), response_format=Trip)
    assert isinstance(answer.choices[0].message.parsed, Trip)


@case("answers a JSON object")
def _():
    answer = chat("scripted/json", "as json", response_format={"type": "json_object"})
    json.loads(answer.choices[0].message.content)


@case("gives several choices")
def _():
    answer = chat("scripted/echo", n=3)
    equal([choice.index for choice in answer.choices], [0, 1, 2])


@case("says that a limit cut it")
def _():
    equal(chat("scripted/text-200", max_tokens=5).choices[0].finish_reason, "length")


@case("lists and retrieves models")
def _():
    ids = [model.id for model in client.models.list()]
    assert "qwen-plus" in ids and "deepseek-v3.2" in ids
    equal(client.models.retrieve("qwen-plus").id, "qwen-plus")


@case("works asynchronously")
def _():
    async def ask():
        async with AsyncOpenAI(api_key=KEY, base_url=BASE, max_retries=0) as asynchronous:
            stream = await asynchronous.chat.completions.create(
                model="scripted/text-10", messages=user("a"), stream=True
            )
            return [chunk async for chunk in stream]

    assert len(asyncio.run(ask())) >= 10


@case("serves the raw response with its request id")
def _():
    raw = client.chat.completions.with_raw_response.create(model="scripted/echo", messages=user("a"))
    equal(raw.headers["x-request-id"], raw.parse().id.removeprefix("chatcmpl-"))


for status, kind in (
    (400, openai.BadRequestError),
    (401, openai.AuthenticationError),
    (403, openai.PermissionDeniedError),
    (404, openai.NotFoundError),
    (429, openai.RateLimitError),
    (500, openai.InternalServerError),
    (503, openai.InternalServerError),
):

    @case(f"raises {kind.__name__} for {status}")
    def _(status=status, kind=kind):
        error = raises(kind, lambda: chat(f"scripted/error-{status}"))
        equal(error.status_code, status)
        assert error.request_id and error.body["message"]


@case("raises for a wrong key")
def _():
    stranger = OpenAI(api_key="sk-wrong", base_url=BASE, max_retries=0)
    error = raises(
        openai.AuthenticationError,
        lambda: stranger.chat.completions.create(model="qwen-plus", messages=user("a")),
    )
    equal(error.code, "invalid_api_key")


@case("raises for a bad parameter")
def _():
    error = raises(openai.BadRequestError, lambda: chat("qwen-plus", temperature=2))
    assert "emperature" in error.message


@case("raises in the middle of a broken stream")
def _():
    def read():
        for _ in chat("scripted/error-mid-stream", stream=True):
            pass

    raises(openai.APIError, read)


@case("goes on after a client that left")
def _():
    stream = chat("scripted/text?tokens=2000&rate=200", stream=True)
    next(iter(stream))
    stream.close()
    equal(chat("scripted/echo", "still there").choices[0].message.content, "still there")


@case("succeeds by the SDK's own retry where that can help")
def _():
    retrying = OpenAI(api_key=KEY, base_url=BASE, max_retries=1)
    error = raises(
        openai.RateLimitError,
        lambda: retrying.chat.completions.create(model="scripted/error-429", messages=user("a")),
    )
    equal(error.response.request.headers.get("x-stainless-retry-count"), "1")


@case("reads what a mark created and found, zeros too")
def _():
    def counts(question):
        content = [{"type": "text", "text": "python " * 1500, "cache_control": {"type": "ephemeral"}}]
        messages = [{"role": "system", "content": content}, *user(question)]
        details = client.chat.completions.create(model="qwen-plus", messages=messages).usage.prompt_tokens_details
        return details.cached_tokens, details.cache_creation_input_tokens, details.cache_type

    first, second = counts("What is it?"), counts("And what is that?")
    assert first[1] >= 1500, first
    equal((first[0], first[2]), (0, "ephemeral"))
    equal(second, (first[1], 0, "ephemeral"))


run()
