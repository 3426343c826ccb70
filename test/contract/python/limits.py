"""Limits as the vendors' SDKs for Python meet them: their own retries succeed, and DashScope's tells what it was told."""

from concurrent.futures import ThreadPoolExecutor

import anthropic
import dashscope
import openai
from cases import KEY, URL, case, equal, run

dashscope.base_http_api_url = f"{URL}/api/v1"
CALLS = 8


def together(ask, calls=CALLS):
    with ThreadPoolExecutor(calls) as pool:
        return list(pool.map(ask, range(calls)))


@case("openai: all calls at twice the limit succeed by its own retries")
def _():
    client = openai.OpenAI(api_key=KEY, base_url=f"{URL}/compatible-mode/v1", max_retries=5)

    def ask(call):
        answer = client.chat.completions.create(
            model="qwen-plus", messages=[{"role": "user", "content": f"call {call}"}]
        )
        return answer.choices[0].message.content

    equal(together(ask), [f"call {call}" for call in range(CALLS)])


@case("anthropic: all calls at twice the limit succeed by its own retries")
def _():
    client = anthropic.Anthropic(api_key=KEY, base_url=f"{URL}/apps/anthropic", max_retries=5)

    def ask(call):
        answer = client.messages.create(
            model="qwen-max", max_tokens=100, messages=[{"role": "user", "content": f"call {call}"}]
        )
        return answer.content[0].text

    equal(together(ask), [f"call {call}" for call in range(CALLS)])


@case("dashscope: does not retry, and tells the code and the words")
def _():
    def ask(call):
        return dashscope.Generation.call(
            api_key=KEY, model="qwen-turbo", messages=[{"role": "user", "content": f"call {call}"}]
        )

    refused = [answer for answer in together(ask, 24) if answer.status_code != 200]
    equal(len(refused) > 0, True)
    for answer in refused:
        equal(answer.status_code, 429)
        equal(answer.code, "Throttling.RateQuota")
        equal(answer.message, "You have exceeded your current request limit.")


run()
