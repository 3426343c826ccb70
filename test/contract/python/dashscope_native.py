"""The native API through the vendor's own SDK for Python: only the base URL and the key are changed."""

import asyncio
import json

import dashscope
from cases import KEY, URL, case, equal, run
from dashscope import (
    AioGeneration,
    AioMultiModalConversation,
    Generation,
    Models,
    MultiModalConversation,
    Tokenization,
)

dashscope.base_http_api_url = f"{URL}/api/v1"
dashscope.api_key = KEY

WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "Weather of a city",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}
TEXT = "Hello there, world!"


def user(text=TEXT):
    return [{"role": "user", "content": text}]


def parts(text=TEXT):
    return [{"role": "user", "content": [{"text": text}]}]


def call(model="qwen-plus", messages=None, **more):
    return Generation.call(model=model, messages=messages or user(), **more)


def multimodal(model="qwen-vl-plus", messages=None, **more):
    return MultiModalConversation.call(model=model, messages=messages or parts(), **more)


def good(response):
    equal((response.status_code, response.code or "", response.message), (200, "", ""))
    return response


def refused(response, status, code, message):
    equal((response.status_code, response.code, response.message), (status, code, message))
    return response


def streamed(responses):
    """All events of a stream, none of them an error."""
    events = [good(response) for response in responses]
    assert len(events) > 1, events
    equal({event.request_id for event in events}, {events[0].request_id})
    return events


def message(response):
    return response.output.choices[0].message


def contents(events):
    return [message(event).content for event in events]


def text_of(content):
    return "".join(part["text"] for part in content)


def usage(response):
    return {name: response.usage[name] for name in ("input_tokens", "output_tokens", "total_tokens")}


# ---- Plain replies ----


@case("answers a prompt as text")
def _():
    response = good(Generation.call(model="qwen-turbo", prompt=TEXT))
    equal(response.output.text, TEXT)
    equal(response.output.finish_reason, "stop")
    equal(usage(response), {"input_tokens": 5, "output_tokens": 5, "total_tokens": 10})
    assert response.request_id


@case("answers messages as a message")
def _():
    response = good(call(result_format="message"))
    equal(message(response).content, TEXT)
    equal(message(response).role, "assistant")
    equal(response.output.choices[0].finish_reason, "stop")


@case("answers as a message where that is the model's form")
def _():
    equal(message(good(call("qwen3-max"))).content, TEXT)


@case("takes the history of old programs")
def _():
    history = [{"user": "My name is Ann.", "bot": "Hello Ann."}]
    response = good(Generation.call(model="qwen-turbo", prompt="Who am I?", history=history))
    equal(response.output.text, "Who am I?")
    # 5 tokens and 3 of the history, 4 of the prompt.
    equal(response.usage.input_tokens, 12)


@case("stops at max_tokens and says so")
def _():
    response = good(call("scripted/text-40", max_tokens=3, result_format="message"))
    equal(response.output.choices[0].finish_reason, "length")
    equal(response.usage.output_tokens, 3)


@case("gives several choices")
def _():
    response = good(call(n=2, result_format="message"))
    equal([choice["index"] for choice in response.output.choices], [0, 1])
    equal(response.usage.output_tokens, 10)


@case("holds JSON to its schema")
def _():
    schema = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
    form = {"type": "json_schema", "json_schema": {"name": "place", "schema": schema, "strict": True}}
    response = good(call("scripted/json", user("Say it as JSON."), response_format=form, result_format="message"))
    equal(list(json.loads(message(response).content)), ["city"])


@case("gives log probabilities")
def _():
    response = good(call(logprobs=True, top_logprobs=1, result_format="message"))
    tokens = response.output.choices[0]["logprobs"]["content"]
    equal("".join(token["token"] for token in tokens), TEXT)


# ---- Streams ----


@case("streams all so far to a program that says nothing")
def _():
    events = streamed(call(stream=True, result_format="message"))
    texts = contents(events)
    equal(texts[-1], TEXT)
    for shorter, longer in zip(texts, texts[1:]):
        assert longer.startswith(shorter), (shorter, longer)
    equal([event.output.choices[0].finish_reason for event in events][-2:], ["null", "stop"])


@case("streams what is new")
def _():
    events = streamed(call(stream=True, result_format="message", incremental_output=True))
    equal("".join(contents(events)), TEXT)
    equal(contents(events)[0], "Hello")
    equal([event.usage.output_tokens for event in events], [1, 2, 3, 4, 5, 5])


@case("streams what is new to a program that wants all so far, which the SDK joins")
def _():
    events = streamed(call(stream=True, result_format="message", incremental_output=False))
    equal(contents(events)[-1], TEXT)
    equal(contents(events)[0], "Hello")


@case("streams text")
def _():
    cumulative = streamed(Generation.call(model="qwen-turbo", prompt=TEXT, stream=True))
    equal(cumulative[-1].output.text, TEXT)
    incremental = streamed(Generation.call(model="qwen-turbo", prompt=TEXT, stream=True, incremental_output=True))
    equal("".join(event.output.text for event in incremental), TEXT)
    equal(incremental[-1].output.finish_reason, "stop")


@case("ends a stream with the usage of the whole reply")
def _():
    events = streamed(call("scripted/text-30", stream=True, result_format="message", incremental_output=True))
    whole = good(call("scripted/text-30", result_format="message"))
    equal(usage(events[-1]), usage(whole))
    equal("".join(contents(events)), message(whole).content)


@case("streams several choices, one an event, with usage that adds up")
def _():
    events = streamed(call(stream=True, n=2, result_format="message", incremental_output=True))
    texts = {0: "", 1: ""}
    used = {}
    for event in events:
        equal(len(event.output.choices), 1)
        choice = event.output.choices[0]
        texts[choice["index"]] += choice.message.content
        used[choice["index"]] = event.usage.output_tokens
    equal(texts, {0: TEXT, 1: TEXT})
    equal(sum(used.values()), 10)


@case("streams several choices that the SDK joins")
def _():
    events = list(call(stream=True, n=2, result_format="message", incremental_output=False))
    last = events[-1].output.choices
    equal([choice["message"]["content"] for choice in last], [TEXT, TEXT])
    equal(events[-1].usage["output_tokens"], 10)


@case("keeps what looks like a line break in one line")
def _():
    text = "one\u2028two\u0085three\r\nfour"
    events = streamed(call(messages=user(text), stream=True, result_format="message", incremental_output=True))
    equal("".join(contents(events)), text)


# ---- Thinking ----


@case("thinks before it answers")
def _():
    response = good(call("scripted/reasoning", result_format="message", enable_thinking=True))
    assert message(response).reasoning_content
    equal(message(response).content, TEXT)
    equal(response.usage.output_tokens_details["reasoning_tokens"], 24)


@case("streams reasoning before the answer")
def _():
    events = streamed(
        call("qwen-plus", stream=True, result_format="message", incremental_output=True, enable_thinking=True)
    )
    reasoning = [message(event).get("reasoning_content", "") for event in events]
    equal("".join(contents(events)), TEXT)
    first_answer = next(index for index, text in enumerate(contents(events)) if text)
    assert "".join(reasoning[:first_answer]) and not "".join(reasoning[first_answer:])


@case("joins reasoning in the SDK")
def _():
    events = streamed(
        call("qwen-plus", stream=True, result_format="message", incremental_output=False, enable_thinking=True)
    )
    last = message(events[-1])
    equal(last.content, TEXT)
    equal(last.reasoning_content, "Let me think about what was asked.")


@case("refuses forms that have no room for reasoning")
def _():
    refused(
        call(enable_thinking=True, result_format="text"),
        400,
        "InvalidParameter",
        'The result_format parameter must be "message" when enable_thinking is true',
    )
    [error] = call(stream=True, enable_thinking=True, result_format="message")
    refused(
        error,
        400,
        "InvalidParameter",
        'The incremental_output parameter must be "true" when enable_thinking is true',
    )


@case("refuses to think without streaming where the model cannot")
def _():
    refused(
        call("qwen3-32b", enable_thinking=True),
        400,
        "InvalidParameter",
        "parameter.enable_thinking must be set to false for non-streaming calls",
    )


@case("refuses to think where the model does not")
def _():
    response = call("qwen-max", enable_thinking=True, result_format="message")
    equal((response.status_code, response.code), (400, "InvalidParameter.NotSupportEnableThinking"))


# ---- Tools ----


@case("calls a tool and answers from its result")
def _():
    messages = user("Weather in Paris?")
    response = good(call("scripted/tool-call", messages, tools=[WEATHER], result_format="message"))
    equal(response.output.choices[0].finish_reason, "tool_calls")
    made = message(response)
    [tool_call] = made.tool_calls
    equal((tool_call["function"]["name"], tool_call["type"], made.content), ("get_weather", "function", ""))
    assert "city" in json.loads(tool_call["function"]["arguments"])
    messages += [dict(made), {"role": "tool", "content": "sun", "tool_call_id": tool_call["id"]}]
    answer = good(call("scripted/tool-call", messages, tools=[WEATHER], result_format="message"))
    assert "sun" in message(answer).content


@case("answers in messages when tools are there")
def _():
    assert message(good(call("scripted/tool-call", tools=[WEATHER]))).tool_calls


@case("streams parallel calls in pieces")
def _():
    events = streamed(
        call(
            "scripted/parallel-calls",
            tools=[WEATHER],
            parallel_tool_calls=True,
            stream=True,
            result_format="message",
            incremental_output=True,
        )
    )
    calls = {}
    for event in events:
        for piece in message(event).get("tool_calls") or []:
            equal(piece["type"], "function")
            known = calls.setdefault(piece["index"], {"id": "", "name": "", "arguments": ""})
            known["id"] += piece["id"]
            known["name"] += piece["function"].get("name", "")
            known["arguments"] += piece["function"]["arguments"]
    equal(sorted(calls), [0, 1])
    for known in calls.values():
        equal(known["name"], "get_weather")
        assert known["id"].startswith("call_") and json.loads(known["arguments"])
    equal(events[-1].output.choices[0].finish_reason, "tool_calls")


@case("streams calls that the SDK joins")
def _():
    events = streamed(
        call("scripted/parallel-calls", tools=[WEATHER], stream=True, result_format="message", incremental_output=False)
    )
    calls = message(events[-1]).tool_calls
    equal([made["function"]["name"] for made in calls], ["get_weather", "get_weather"])
    for made in calls:
        assert made["id"] and json.loads(made["function"]["arguments"])


@case("streams calls whole to a program that says nothing")
def _():
    events = streamed(call("scripted/tool-call", tools=[WEATHER], stream=True, result_format="message"))
    [made] = message(events[-1]).tool_calls
    assert made["id"] and json.loads(made["function"]["arguments"])


@case("refuses tools named as the service's own")
def _():
    tool = {"type": "function", "function": {**WEATHER["function"], "name": "search"}}
    refused(call(tools=[tool]), 400, "InvalidParameter", "Tool names are not allowed to be [search]")


# ---- Multimodal ----


@case("answers in parts on the multimodal service")
def _():
    response = good(multimodal())
    equal(message(response).content, [{"text": TEXT}])
    equal(response.usage["input_tokens_details"]["text_tokens"], response.usage["input_tokens"])


@case("streams parts")
def _():
    incremental = streamed(multimodal(stream=True, incremental_output=True))
    equal("".join(text_of(content) for content in contents(incremental)), TEXT)
    cumulative = streamed(multimodal(stream=True))
    equal(contents(cumulative)[-1], [{"text": TEXT}])
    joined = streamed(multimodal(stream=True, incremental_output=False))
    equal(text_of(contents(joined)[-1]), TEXT)


@case("streams reasoning and parts of a model that thinks by default")
def _():
    events = streamed(multimodal("scripted/reasoning", stream=True))
    equal("".join(text_of(content) for content in contents(events)), TEXT)
    assert "".join(message(event).get("reasoning_content", "") for event in events)


@case("takes a picture where the model sees, and refuses it elsewhere")
def _():
    messages = [{"role": "user", "content": [{"image": "https://example.org/dog.jpeg"}, {"text": TEXT}]}]
    response = good(multimodal(messages=messages))
    equal(message(response).content, [{"text": TEXT}])
    equal(response.usage["image_tokens"], response.usage["input_tokens_details"]["image_tokens"])
    refused(
        call(messages=messages),
        400,
        "InvalidParameter",
        "The provided messages input is invalid. The error info is [Unexpected item type in content.]",
    )
    broken = [{"role": "user", "content": [{"image_url": "https://example.org/dog.jpeg"}]}]
    refused(
        multimodal(messages=broken),
        400,
        "InvalidParameter",
        "The item of content should be a message of a certain modal.",
    )


@case("refuses a model at the wrong service")
def _():
    refused(multimodal("qwen-plus"), 400, "InvalidParameter", "url error, please check url！")
    refused(call("qwen-vl-plus"), 400, "InvalidParameter", "url error, please check url！")


# ---- asyncio ----


@case("works with asyncio")
def _():
    async def answer():
        whole = good(await AioGeneration.call(model="qwen-plus", messages=user(), result_format="message"))
        equal(message(whole).content, TEXT)
        responses = await AioGeneration.call(
            model="qwen-plus", messages=user(), result_format="message", stream=True, incremental_output=True
        )
        equal("".join([message(good(response)).content async for response in responses]), TEXT)
        responses = await AioGeneration.call(model="qwen-plus", messages=user(), result_format="message", stream=True)
        equal([message(good(response)).content async for response in responses][-1], TEXT)
        parted = await AioMultiModalConversation.call(model="qwen-vl-plus", messages=parts())
        equal(message(good(parted)).content, [{"text": TEXT}])

    asyncio.run(answer())


@case("reports errors with asyncio")
def _():
    async def fail():
        error = await AioGeneration.call(model="scripted/error-429", messages=user())
        equal((error.status_code, error.code), (429, "Throttling.RateQuota"))
        responses = await AioGeneration.call(model="qwen-plus", messages=user(), temperature=2, stream=True)
        [error] = [response async for response in responses]
        refused(error, 400, "InvalidParameter", "Temperature should be in [0.0, 2.0)")
        responses = await AioGeneration.call(model="scripted/error-mid-stream", messages=user(), stream=True)
        events = [response async for response in responses]
        equal([event.status_code for event in events][-2:], [200, 500])
        equal(events[-1].code, "InternalError")

    asyncio.run(fail())


# ---- Errors ----

STATUSES = [
    ("400", 400, "InvalidParameter"),
    ("401", 401, "InvalidApiKey"),
    ("403", 403, "AccessDenied"),
    ("404", 400, "InvalidParameter"),
    ("405", 405, "InvalidParameter"),
    ("413", 400, "BadRequest.TooLarge"),
    ("429", 429, "Throttling.RateQuota"),
    ("500", 500, "InternalError"),
    ("502", 500, "ModelServiceFailed"),
    ("503", 503, "ModelUnavailable"),
    ("504", 500, "RequestTimeOut"),
    ("arrearage", 400, "Arrearage"),
    ("content-filtered", 400, "DataInspectionFailed"),
    ("quota-exceeded", 429, "Throttling.AllocationQuota"),
    ("burst-limited", 429, "Throttling.BurstRate"),
    ("queue-full", 429, "Throttling"),
    ("engine-failed", 500, "InternalError.Algo"),
    ("free-tier-exhausted", 403, "AllocationQuota.FreeTierOnly"),
    ("model-access-denied", 403, "Model.AccessDenied"),
]


@case("gives every class of error its status and code")
def _():
    for name, status, code in STATUSES:
        response = call(f"scripted/error-{name}")
        equal((name, response.status_code, response.code), (name, status, code))
        assert response.message and response.request_id


@case("gives a streaming call the same status and code")
def _():
    for name, status, code in STATUSES:
        [response] = call(f"scripted/error-{name}", stream=True)
        equal((name, response.status_code, response.code), (name, status, code))
        assert response.message and response.request_id


@case("ends a broken stream with its error")
def _():
    events = list(call("scripted/error-mid-stream?code=overloaded", stream=True, result_format="message"))
    equal([event.status_code for event in events], [200] * 5 + [503])
    equal(events[-1].code, "ModelUnavailable")
    equal(events[-1].request_id, events[0].request_id)


@case("refuses a wrong key and none")
def _():
    refused(call(api_key="sk-wrong"), 401, "InvalidApiKey", "Invalid API-key provided.")
    [error] = call(api_key="sk-wrong", stream=True)
    refused(error, 401, "InvalidApiKey", "Invalid API-key provided.")


@case("refuses a model that is not there")
def _():
    refused(call("no such model"), 400, "InvalidParameter", "Model not exist.")


@case("refuses values out of their ranges in the service's words")
def _():
    words = {
        "temperature": (2, "Temperature should be in [0.0, 2.0)"),
        "top_p": (0, "Range of top_p should be (0.0, 1.0]"),
        "top_k": (-1, "Parameter top_k be greater than or equal to 0"),
        "repetition_penalty": (0, "Repetition_penalty should be greater than 0.0"),
        "presence_penalty": (3, "Presence_penalty should be in [-2.0, 2.0]"),
        "n": (5, "Range of n should be [1, 4]"),
        "seed": (-1, "Range of seed should be [0, 9223372036854775807]"),
        "max_tokens": (0, "Range of max_tokens should be [1, 32768]"),
        "tool_choice": ("required", 'tool_choice is one of the strings that should be ["none", "auto"]'),
        "enable_search": (True, "This model does not support enable_search."),
    }
    for name, (value, text) in words.items():
        refused(call(**{name: value}), 400, "InvalidParameter", text)


@case("refuses an empty message")
def _():
    refused(
        call(messages=user("")),
        400,
        "InvalidParameter",
        "Role must be user or assistant and Content length must be greater than 0",
    )


@case("refuses to answer later")
def _():
    refused(
        call(headers={"X-DashScope-Async": "enable"}),
        403,
        "AccessDenied",
        "Current user api does not support asynchronous calls.",
    )


# ---- Encryption ----


@case("answers an encrypted call encrypted")
def _():
    response = good(call(result_format="message", enable_encryption=True))
    equal(message(response).content, TEXT)


@case("streams encrypted events")
def _():
    events = streamed(call(stream=True, result_format="message", incremental_output=True, enable_encryption=True))
    equal("".join(contents(events)), TEXT)
    events = streamed(Generation.call(model="qwen-turbo", prompt=TEXT, stream=True, enable_encryption=True))
    equal(events[-1].output.text, TEXT)


@case("answers an encrypted multimodal call")
def _():
    equal(message(good(multimodal(enable_encryption=True))).content, [{"text": TEXT}])


@case("shows the error of an encrypted call")
def _():
    refused(
        call(temperature=2, enable_encryption=True), 400, "InvalidParameter", "Temperature should be in [0.0, 2.0)"
    )


# ---- Tokens and models ----


@case("splits text into tokens")
def _():
    response = good(Tokenization.call(model="qwen-plus", messages=user()))
    equal("".join(response.output["tokens"]), TEXT)
    equal(len(response.output["token_ids"]), response.usage["input_tokens"])
    equal(good(Tokenization.call(model="qwen-plus", prompt="a b")).output["tokens"], ["a", " b"])


@case("lists models by pages")
def _():
    first = good(Models.list(page=1, page_size=2)).output
    second = good(Models.list(page=2, page_size=2)).output
    equal((len(first["models"]), first["page_no"], second["page_no"]), (2, 1, 2))
    assert first["models"] != second["models"] and first["total"] > 100


@case("finds a model by its name")
def _():
    equal(good(Models.get("qwen-plus")).output["model"], "qwen-plus")
    equal(Models.get("no-such-model").status_code, 404)


# ---- Context cache ----


@case("reads what a mark created and found")
def _():
    def counts(question):
        content = [{"text": "python " * 1500, "cache_control": {"type": "ephemeral"}}]
        messages = [{"role": "system", "content": content}, *user(question)]
        details = good(call(messages=messages, result_format="message")).usage["prompt_tokens_details"]
        return details["cached_tokens"], details["cache_creation_input_tokens"], details["cache_type"]

    first, second = counts("What is it?"), counts("And what is that?")
    assert first[1] >= 1500, first
    equal((first[0], first[2]), (0, "ephemeral"))
    equal(second, (first[1], 0, "ephemeral"))


@case("finds a prefix without marks")
def _():
    def cached(question):
        messages = user("implicit " * 300 + question)
        return good(call(messages=messages)).usage["prompt_tokens_details"]

    equal(cached("one"), {"cached_tokens": 0})
    equal(cached("two"), {"cached_tokens": 300})


run()
