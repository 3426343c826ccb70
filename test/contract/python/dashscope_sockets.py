"""Sockets, uploads and tasks of the native API through the vendor's own SDK for Python."""

import asyncio
import os
import tempfile
from http import HTTPStatus

import dashscope
from cases import KEY, URL, case, equal, run
from dashscope import AioGeneration, Generation, MultiModalConversation
from dashscope.aigc.image_synthesis import ImageSynthesis
from dashscope.utils.oss_utils import OssUtils

dashscope.base_http_api_url = f"{URL}/api/v1"
dashscope.base_websocket_api_url = f"{URL.replace('http', 'ws')}/api-ws/v1/inference"
dashscope.api_key = KEY

TEXT = "one two three"
WHOLE = ["one", "one two", "one two three", "one two three"]


def call(model="qwen-plus", **more):
    messages = None if "prompt" in more else [{"role": "user", "content": TEXT}]
    form = {} if "prompt" in more else {"result_format": "message"}
    return Generation.call(model=model, messages=messages, api_protocol="websocket", **form, **more)


def contents(events):
    return [event.output.choices[0].message.content for event in events]


def pieces():
    yield "one"
    yield " two"
    yield " three"


def picture(text):
    """A message with a picture that lies on this machine; its bytes are not looked at by a scripted model."""
    with tempfile.NamedTemporaryFile(suffix=".png", delete=False) as file:
        file.write(text.encode())
    return file.name, [{"role": "user", "content": [{"image": f"file://{file.name}"}, {"text": TEXT}]}]


@case("a whole answer over a socket")
def _():
    response = call()
    equal(response.status_code, HTTPStatus.OK)
    equal(contents([response]), [TEXT])
    equal((response.usage.input_tokens, response.usage.output_tokens), (3, 3))


@case("a stream over a socket: cumulative where nothing is said")
def _():
    equal(contents(call(stream=True)), WHOLE)


@case("a stream over a socket: increments, and those joined by the SDK")
def _():
    equal(contents(call(stream=True, incremental_output=True)), ["one", " two", " three", ""])
    equal(contents(call(stream=True, incremental_output=False)), WHOLE)


@case("input in pieces, one answer")
def _():
    response = call(prompt=pieces(), ws_stream_mode="in")
    equal((response.status_code, response.output.text), (200, TEXT))


@case("input in pieces, a stream of answers")
def _():
    events = list(call(prompt=pieces(), stream=True, ws_stream_mode="duplex"))
    equal([event.output.text for event in events], WHOLE)


@case("asynchronous calls over a socket")
def _():
    async def both():
        messages = [{"role": "user", "content": TEXT}]
        options = {"messages": messages, "result_format": "message", "api_protocol": "websocket"}
        whole = await AioGeneration.call(model="qwen-plus", **options)
        stream = await AioGeneration.call(model="qwen-plus", stream=True, incremental_output=True, **options)
        return contents([whole]), contents([event async for event in stream])

    equal(asyncio.run(both()), ([TEXT], ["one", " two", " three", ""]))


@case("a multimodal answer over a socket")
def _():
    messages = [{"role": "user", "content": [{"text": TEXT}]}]
    response = MultiModalConversation.call(model="qwen-vl-plus", messages=messages, api_protocol="websocket")
    equal(contents([response]), [[{"text": TEXT}]])


@case("a refusal over a socket, whole and streamed")
def _():
    expected = (44, "InvalidParameter", "Model not exist.")
    response = call(model="qwen-none")
    equal((response.status_code, response.code, response.message), expected)
    (only,) = list(call(model="qwen-none", stream=True))
    equal((only.status_code, only.code, only.message), expected)


@case("a failure in the middle of a stream over a socket")
def _():
    events = list(call(model="scripted/error-mid-stream?after=2", stream=True, incremental_output=True))
    equal([event.status_code for event in events], [200, 200, 44])
    equal(events[-1].code, "InternalError")


@case("a wrong key at the handshake")
def _():
    response = call(api_key="sk-wrong")
    equal((response.status_code, response.message), (401, "Unauthorized, your api-key is invalid!"))


@case("a local picture is uploaded and read")
def _():
    path, messages = picture("cat")
    response = MultiModalConversation.call(model="qwen-vl-plus", messages=messages)
    os.unlink(path)
    equal(response.status_code, HTTPStatus.OK)
    equal(response.usage.image_tokens, 256)


@case("an upload is for the model it was put up for")
def _():
    path, _ = picture("cat")
    url, certificate = OssUtils.upload(model="qwen-vl-plus", file_path=path)
    os.unlink(path)
    assert url.startswith(f"oss://{certificate['upload_dir']}/"), url
    messages = [{"role": "user", "content": [{"image": url}, {"text": TEXT}]}]
    equal(MultiModalConversation.call(model="qwen-vl-plus", messages=messages).status_code, HTTPStatus.OK)
    response = MultiModalConversation.call(model="qwen-vl-max", messages=messages)
    equal((response.status_code, response.message), (400, "Failed to download multimodal content."))


@case("two files under one certificate")
def _():
    first, _ = picture("cat")
    second, _ = picture("dog")
    url, certificate = OssUtils.upload(model="qwen-vl-plus", file_path=first)
    other, _ = OssUtils.upload(model="qwen-vl-plus", file_path=second, upload_certificate=certificate)
    os.unlink(first)
    os.unlink(second)
    assert url != other
    equal(url.rsplit("/", 1)[0], other.rsplit("/", 1)[0])


@case("tasks: unknown, listed, not to be cancelled")
def _():
    equal(ImageSynthesis.fetch("1111").output.task_status, "UNKNOWN")
    equal(ImageSynthesis.list().output["total"], 0)
    response = ImageSynthesis.cancel("1111")
    equal((response.status_code, response.code), (400, "UnsupportedOperation"))


run()
