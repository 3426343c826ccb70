/**
 * Small chat templates of our own that behave as those of the thinking families do: where reasoning is opened, who closes
 * it, what history keeps of it. The first two speak ChatML, so that weights on this machine can be made to think by them.
 */

/** Where the last user message stands; reasoning behind it belongs to the turn that is under way. */
const LAST_USER =
  "{%- set ns = namespace(last=-1) -%}{%- for m in messages -%}{%- if m.role == 'user' -%}{%- set ns.last = loop.index0 -%}{%- endif -%}{%- endfor -%}";

const TOOL_RESULT = "{{ '<|im_start|>user\\n<tool_response>\\n' + m.content + '\\n</tool_response><|im_end|>\\n' }}";
const CALLS =
  '{%- for call in m.tool_calls -%}{{ \'\\n<tool_call>\\n{"name": "\' + call.function.name + \'", "arguments": \' }}{{ call.function.arguments | tojson }}{{ \'}\\n</tool_call>\' }}{%- endfor -%}';
const CHATML_TURN = "{{ '<|im_start|>' + m.role + '\\n' + m.content + '<|im_end|>\\n' }}";

/** A switch in the template; the model opens its reasoning itself; that of answered turns is taken out. */
export const QWEN3_HYBRID = [
  LAST_USER,
  "{%- if tools -%}{{ '<|im_start|>system\\nFunctions:' }}{%- for tool in tools -%}{{ '\\n' }}{{ tool | tojson }}{%- endfor -%}{{ '<|im_end|>\\n' }}{%- endif -%}",
  "{%- for m in messages -%}{%- if m.role == 'assistant' -%}",
  "{%- set reasoning = '' -%}{%- set text = m.content -%}",
  '{%- if m.reasoning_content is string -%}{%- set reasoning = m.reasoning_content -%}',
  "{%- elif '</think>' in text -%}{%- set reasoning = text.split('</think>')[0].split('<think>')[-1] | trim -%}{%- set text = text.split('</think>')[-1] | trim -%}{%- endif -%}",
  "{{ '<|im_start|>assistant\\n' }}{%- if loop.index0 > ns.last and reasoning -%}{{ '<think>\\n' + reasoning + '\\n</think>\\n\\n' }}{%- endif -%}{{ text }}",
  `{%- if m.tool_calls -%}${CALLS}{%- endif -%}{{ '<|im_end|>\\n' }}`,
  `{%- elif m.role == 'tool' -%}${TOOL_RESULT}{%- else -%}${CHATML_TURN}{%- endif -%}{%- endfor -%}`,
  "{%- if add_generation_prompt -%}{{ '<|im_start|>assistant\\n' }}",
  "{%- if enable_thinking is defined and enable_thinking is false -%}{{ '<think>\\n\\n</think>\\n\\n' }}{%- endif -%}{%- endif -%}",
].join('');

/** Opens the reasoning of every reply; earlier reasoning is cut away, wherever it stands. */
export const DEEPSEEK_R1 = [
  `{%- for m in messages -%}{%- if m.role == 'assistant' -%}{{ '<|im_start|>assistant\\n' + m.content.split('</think>')[-1] + '<|im_end|>\\n' }}`,
  `{%- elif m.role == 'tool' -%}${TOOL_RESULT}{%- else -%}${CHATML_TURN}{%- endif -%}{%- endfor -%}`,
  "{%- if add_generation_prompt -%}{{ '<|im_start|>assistant\\n<think>\\n' }}{%- endif -%}",
].join('');

/** As the latter, but earlier reasoning of the turn under way stays. */
export const QWEN3_THINKING = QWEN3_HYBRID.replace(/\{%- if enable_thinking.*?endif -%\}/, "{{ '<think>\\n' }}");

/** Closed at once when it is off, opened when it is on, without a line break. */
export const DEEPSEEK_V3 = [
  "{{ bos_token }}{%- for m in messages -%}{%- if m.role == 'assistant' -%}{{ '<|Assistant|></think>' + m.content + '<|end|>' }}",
  "{%- elif m.role == 'system' -%}{{ m.content }}{%- else -%}{{ '<|User|>' + m.content }}{%- endif -%}{%- endfor -%}",
  "{%- if add_generation_prompt -%}{{ '<|Assistant|>' }}{%- if thinking -%}{{ '<think>' }}{%- else -%}{{ '</think>' }}{%- endif -%}{%- endif -%}",
].join('');

/** Its own line break before the tag and none inside it; a word to the user switches it off. */
export const GLM = [
  LAST_USER,
  "{{ '[gMASK]<sop>' }}{%- for m in messages -%}{%- if m.role == 'assistant' -%}{{ '<|assistant|>' }}",
  "{%- if loop.index0 > ns.last and m.reasoning_content -%}{{ '\\n<think>' + m.reasoning_content | trim + '</think>' }}{%- else -%}{{ '\\n<think></think>' }}{%- endif -%}{{ '\\n' + m.content | trim }}",
  "{%- else -%}{{ '<|' + m.role + '|>\\n' + m.content }}{%- if m.role == 'user' and enable_thinking is defined and not enable_thinking -%}{{ '/nothink' }}{%- endif -%}{%- endif -%}{%- endfor -%}",
  "{%- if add_generation_prompt -%}{{ '<|assistant|>' }}{%- if enable_thinking is defined and not enable_thinking -%}{{ '\\n<think></think>' }}{%- endif -%}{%- endif -%}",
].join('');

/** The later GLMs: `clear_thinking` says whether the reasoning of answered turns goes. */
export const GLM_KEEPING = GLM.replace(
  'loop.index0 > ns.last and',
  '(loop.index0 > ns.last or clear_thinking is false) and',
);

/** Tags without line breaks; the model opens them; an empty pair in answered turns. */
export const KIMI_K2 = [
  LAST_USER,
  "{%- for m in messages -%}{{ '<|im_' + m.role + '|>' + m.role + '<|im_middle|>' }}",
  "{%- if m.role == 'assistant' -%}{%- if loop.index0 > ns.last and m.reasoning_content -%}{{ '<think>' + m.reasoning_content + '</think>' }}{%- else -%}{{ '<think></think>' }}{%- endif -%}{%- endif -%}",
  "{{ m.content + '<|im_end|>' }}{%- endfor -%}{%- if add_generation_prompt -%}{{ '<|im_assistant|>assistant<|im_middle|>' }}{%- endif -%}",
].join('');

/** Opens the reasoning of every reply; keeps that of the turn under way. */
export const MINIMAX_M2 = [
  LAST_USER,
  "{%- for m in messages -%}{{ ']~b]' + ('ai' if m.role == 'assistant' else m.role) + '\\n' }}",
  "{%- if m.role == 'assistant' and m.reasoning_content and loop.index0 > ns.last -%}{{ '<think>\\n' + m.reasoning_content + '\\n</think>\\n\\n' }}{%- endif -%}",
  "{{ m.content + '[e~[\\n' }}{%- endfor -%}{%- if add_generation_prompt -%}{{ ']~b]ai\\n<think>\\n' }}{%- endif -%}",
].join('');

/** Channels instead of tags; the effort is told; only the reasoning of the very last message is shown. */
export const GPT_OSS = [
  "{{ '<|start|>system<|message|>Reasoning: ' + (reasoning_effort if reasoning_effort else 'medium') + '<|end|>' }}",
  "{%- for m in messages -%}{%- if m.role == 'assistant' -%}",
  "{%- if loop.last and not add_generation_prompt and m.thinking -%}{{ '<|start|>assistant<|channel|>analysis<|message|>' + m.thinking + '<|end|>' }}{%- endif -%}",
  "{{ '<|start|>assistant<|channel|>final<|message|>' + m.content + '<|end|>' }}",
  "{%- else -%}{{ '<|start|>' + m.role + '<|message|>' + m.content + '<|end|>' }}{%- endif -%}{%- endfor -%}",
  "{%- if add_generation_prompt -%}{{ '<|start|>assistant' }}{%- endif -%}",
].join('');
