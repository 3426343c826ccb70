"""Messages through the official Anthropic SDK for Python: only the base URL and the key are changed."""

import asyncio

import anthropic
from anthropic import Anthropic, AsyncAnthropic
from cases import KEY, URL, case, equal, raises, run
from pydantic import BaseModel

BASE = f"{URL}/apps/anthropic"
client = Anthropic(api_key=KEY, base_url=BASE, max_retries=0)

WEATHER = {
    "name": "get_weather",
    "description": "Weather of a city",
    "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
}


def user(text):
    return [{"role": "user", "content": text}]


def ask(model, text="Hello there, world!", by=client, **more):
    return by.messages.create(**{"model": model, "max_tokens": 1000, "messages": user(text), **more})


def text_of(message):
    return "".join(block.text for block in message.content if block.type == "text")


@case("answers and echoes the id that was asked for")
def _():
    message = ask("qwen-plus")
    equal(message.model, "qwen-plus")
    equal(text_of(message), "Hello there, world!")
    equal((message.stop_reason, message.stop_sequence), ("end_turn", None))
    equal((message.usage.input_tokens, message.usage.output_tokens), (5, 5))
    equal(message._request_id, f"req_{message.id.removeprefix('msg_')}")


@case("takes the key in either header")
def _():
    equal(text_of(ask("qwen-plus", "a", by=Anthropic(auth_token=KEY, base_url=BASE))), "a")
    named = Anthropic(auth_token="sk-other", base_url=BASE, default_headers={"x-api-key": KEY})
    equal(text_of(ask("qwen-plus", "a", by=named)), "a")


@case("answers the beta namespace")
def _():
    message = client.beta.messages.create(
        model="qwen-plus", max_tokens=100, messages=user("a"), betas=["context-management-2025-06-27"]
    )
    equal(message.content[0].text, "a")


@case("streams what it answers whole")
def _():
    with client.messages.stream(model="scripted/text-40", max_tokens=1000, messages=user("a")) as stream:
        text = "".join(stream.text_stream)
        final = stream.get_final_message()
    whole = ask("scripted/text-40")
    equal(text, text_of(whole))
    equal(final.usage.output_tokens, whole.usage.output_tokens)
    equal(final.stop_reason, whole.stop_reason)


@case("streams events one by one")
def _():
    types = [event.type for event in ask("qwen-plus", "hi", stream=True)]
    equal(
        types,
        [
            "message_start",
            "content_block_start",
            "content_block_delta",
            "content_block_stop",
            "message_delta",
            "message_stop",
        ],
    )


@case("thinks first, in a block with a signature, and takes it back")
def _():
    thinking = {"type": "enabled", "budget_tokens": 1024}
    message = ask("qwen-plus", "So?", thinking=thinking)
    equal([block.type for block in message.content], ["thinking", "text"])
    equal(message.content[0].signature, "")
    messages = [*user("So?"), {"role": "assistant", "content": message.content}, *user("And then?")]
    equal(text_of(ask("qwen-plus", thinking=thinking, messages=messages)), "And then?")


@case("streams thinking through the helper")
def _():
    thinking = {"type": "enabled", "budget_tokens": 1024}
    with client.messages.stream(
        model="qwen-plus", max_tokens=2000, messages=user("So?"), thinking=thinking
    ) as stream:
        types = [event.type for event in stream]
    assert types.index("thinking") < types.index("signature") < types.index("text"), types


@case("takes adaptive thinking and every effort")
def _():
    for model in ("qwen3.8-max", "qwen3-coder-plus", "kimi-k2.7-code"):
        for effort in ("low", "medium", "high", "xhigh", "max"):
            message = ask(model, "So?", thinking={"type": "adaptive"}, output_config={"effort": effort})
            equal(text_of(message), "So?")


@case("calls a tool, takes its result, answers")
def _():
    messages = user("Weather in Oslo?")
    first = ask("scripted/tool-call", messages=messages, tools=[WEATHER])
    equal(first.stop_reason, "tool_use")
    call = first.content[0]
    equal((call.name, list(call.input)), ("get_weather", ["city"]))
    result = {"type": "tool_result", "tool_use_id": call.id, "content": [{"type": "text", "text": "sunny"}]}
    messages += [{"role": "assistant", "content": first.content}, {"role": "user", "content": [result]}]
    second = ask("scripted/tool-call", messages=messages, tools=[WEATHER])
    equal(text_of(second), "The tool answered: sunny")


@case("streams parallel calls")
def _():
    with client.messages.stream(
        model="scripted/parallel-calls", max_tokens=1000, messages=user("Go"), tools=[WEATHER]
    ) as stream:
        message = stream.get_final_message()
    equal([block.type for block in message.content], ["tool_use", "tool_use"])
    equal([block.input["city"] for block in message.content], ["sample", "sample 2"])


@case("closes the input of a call that was cut off")
def _():
    with client.messages.stream(
        model="scripted/tool-call", max_tokens=4, messages=user("Go"), tools=[WEATHER]
    ) as stream:
        message = stream.get_final_message()
    equal(message.stop_reason, "max_tokens")
    equal(list(message.content[0].input), ["city"])


@case("parses JSON that keeps a schema")
def _():
    class Trip(BaseModel):
        city: str
        days: int

    message = client.messages.parse(model="qwen-plus", max_tokens=1000, messages=user("a trip"), output_format=Trip)
    equal(message.parsed_output, Trip(city="sample", days=1))


@case("stops at a stop sequence and at the limit")
def _():
    message = ask("qwen-plus", "one two three", stop_sequences=["two"])
    equal((message.stop_reason, message.stop_sequence, text_of(message)), ("stop_sequence", "two", "one "))
    cut = ask("qwen-plus", "one two three", max_tokens=2)
    equal((cut.stop_reason, text_of(cut)), ("max_tokens", "one two"))


@case("does not count what came from a cache as input")
def _():
    usage = ask("scripted/echo?cached=2", "a b c").usage
    equal((usage.input_tokens, usage.cache_read_input_tokens, usage.cache_creation_input_tokens), (1, 2, 0))


@case("counts tokens as the message does")
def _():
    request = {"model": "qwen-plus", "system": "Be brief.", "messages": user("How many?"), "tools": [WEATHER]}
    counted = client.messages.count_tokens(**request).input_tokens
    equal(counted, client.messages.create(max_tokens=10, **request).usage.input_tokens)


@case("lists models page by page, and one by one")
def _():
    ids = [model.id for model in client.models.list(limit=50)]
    assert "qwen-plus" in ids and len(ids) == len(set(ids)) and len(ids) > 200, len(ids)
    equal(client.models.retrieve("qwen3-max").type, "model")


@case("tells errors by their classes")
def _():
    for model, kind, status in (
        ("qwen-none", anthropic.NotFoundError, 404),
        ("scripted/error-400", anthropic.BadRequestError, 400),
        ("scripted/error-403", anthropic.PermissionDeniedError, 403),
        ("scripted/error-conflict", anthropic.ConflictError, 409),
        ("scripted/error-413", anthropic.APIStatusError, 413),
        ("scripted/error-429", anthropic.RateLimitError, 429),
        ("scripted/error-500", anthropic.InternalServerError, 500),
        ("scripted/error-queue-full", anthropic.InternalServerError, 529),
    ):
        error = raises(kind, lambda model=model: ask(model))
        equal(error.status_code, status)
        equal(error.body["request_id"], error.request_id)
    wrong = Anthropic(api_key="sk-wrong", base_url=BASE, max_retries=0)
    equal(raises(anthropic.AuthenticationError, lambda: ask("qwen-plus", by=wrong)).status_code, 401)


@case("says where a request is wrong")
def _():
    error = raises(anthropic.BadRequestError, lambda: ask("qwen-plus", messages=[{"role": "king", "content": "x"}]))
    equal(error.body["error"]["message"], "messages.0.role: Input should be 'user', 'assistant' or 'system'")


@case("raises when a stream breaks")
def _():
    error = raises(anthropic.APIStatusError, lambda: list(ask("scripted/error-mid-stream", stream=True)))
    equal(error.body["error"]["type"], "api_error")


@case("lives on after a client that leaves")
def _():
    stream = ask("scripted/text?tokens=2000&rate=200", stream=True)
    for event in stream:
        if event.type == "content_block_delta":
            break
    stream.close()
    equal(text_of(ask("qwen-plus", "still there")), "still there")


@case("answers asynchronously, several at once")
def _():
    async def together():
        async with AsyncAnthropic(api_key=KEY, base_url=BASE, max_retries=0) as many:
            calls = [
                many.messages.create(model="qwen-plus", max_tokens=100, messages=user(f"call {index}"))
                for index in range(8)
            ]
            return [text_of(message) for message in await asyncio.gather(*calls)]

    equal(asyncio.run(together()), [f"call {index}" for index in range(8)])


@case("succeeds by the SDK's own retry where that can help")
def _():
    retrying = Anthropic(api_key=KEY, base_url=BASE, max_retries=1)
    error = raises(anthropic.RateLimitError, lambda: ask("scripted/error-429", by=retrying))
    equal(error.response.request.headers.get("x-stainless-retry-count"), "1")


@case("reads what a mark created and found")
def _():
    def counts(question):
        system = [{"type": "text", "text": "python " * 1500, "cache_control": {"type": "ephemeral"}}]
        message = [{"role": "user", "content": question}]
        usage = client.messages.create(model="qwen-plus", max_tokens=50, system=system, messages=message).usage
        return usage.cache_read_input_tokens, usage.cache_creation_input_tokens, usage.input_tokens

    first, second = counts("What?"), counts("That?")
    equal((first[0], first[2]), (0, 2))
    assert first[1] >= 1500, first
    equal(second, (first[1], 0, 2))


run()
