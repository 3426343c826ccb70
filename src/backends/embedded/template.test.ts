/** Templates of the kinds there are, small and our own: what is found out of each, and the prompts they make. */
import { describe, expect, it } from 'vitest';
import type { GenerationRequest, Turn } from '../../core/generation.ts';
import { conversationOf } from './messages.ts';
import { ChatTemplate, type PromptInput } from './template.ts';
import { ask, factsOf } from './testing/harness.ts';

const TURN = "{{ '<|im_start|>' + message.role + '\\n' + message.content + '<|im_end|>\\n' }}";
const GENERATE = "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}";
const HERMES =
  "{% if tools %}{{ '<|im_start|>system\\n<tools>' }}{% for tool in tools %}{{ '\\n' }}{{ tool | tojson }}{% endfor %}{{ '\\n</tools>\\nUse <tool_call>.<|im_end|>\\n' }}{% endif %}" +
  `{% for message in messages %}{% if message.role == 'tool' %}{{ '<|im_start|>user\\n<tool_response>\\n' + message.content + '\\n</tool_response><|im_end|>\\n' }}` +
  `{% elif message.tool_calls %}{{ '<|im_start|>assistant' }}{% for call in message.tool_calls %}{{ '\\n<tool_call>\\n{"name": "' + call.function.name + '", "arguments": ' }}{{ call.function.arguments | tojson }}{{ '}\\n</tool_call>' }}{% endfor %}{{ '<|im_end|>\\n' }}` +
  `{% else %}${TURN}{% endif %}{% endfor %}${GENERATE}{% endif %}`;
const HYBRID = `{% for message in messages %}${TURN}{% endfor %}${GENERATE}{% if enable_thinking is defined and enable_thinking is false %}{{ '<think>\\n\\n</think>\\n\\n' }}{% endif %}{% endif %}`;
const ALWAYS = `{{ bos_token }}{% for message in messages %}{{ '<|' + message.role + '|>' + message.content.split('</think>')[-1] }}{% endfor %}{{ '<|assistant|><think>\\n' }}`;
const STRICT = `{% for message in messages %}{% if message.role == 'system' %}{{ raise_exception('System role not supported') }}{% endif %}{% if (message.role == 'user') != (loop.index0 % 2 == 0) %}{{ raise_exception('Conversation roles must alternate') }}{% endif %}{{ '[' + message.role + ']' + message.content | trim }}{% endfor %}{{ '[assistant]' }}`;

function promptOf(template: string | undefined, request: GenerationRequest, more: Partial<PromptInput> = {}): string[] {
  const chat = ChatTemplate.of(factsOf({ chatTemplate: template, bosText: '<s>' }));
  const { messages, answerPrefix } = conversationOf(request);
  const input = { messages, answerPrefix, tools: [], isThinking: false, spellCalls: undefined, ...more };
  return chat.prompt(input).segments.map((segment) => segment.text);
}

function traitsOf(template: string | undefined) {
  const chat = ChatTemplate.of(factsOf({ chatTemplate: template }));
  return { source: chat.source, ...chat.traits };
}

const said = (role: Turn['role'], text: string): Turn => ({ role, parts: [{ type: 'text', text }] });

describe('what a template can do', () => {
  it('is found out by rendering', () => {
    expect(traitsOf(HERMES)).toMatchObject({
      source: 'weights',
      rendersTools: true,
      argumentsAs: 'object',
      rendersToolResults: true,
      thinking: 'none',
      toolFormat: 'hermes',
    });
    expect(traitsOf(HYBRID)).toMatchObject({
      rendersTools: false,
      argumentsAs: undefined,
      thinking: 'switch',
      toolFormat: undefined,
    });
    expect(traitsOf(ALWAYS)).toMatchObject({ thinking: 'always' });
    expect(traitsOf(STRICT)).toMatchObject({ rendersSystem: false, rendersToolResults: false, thinking: 'none' });
  });

  it('falls back to ChatML and says why', () => {
    expect(traitsOf(undefined)).toMatchObject({ source: 'chatml' });
    const broken = ChatTemplate.of(factsOf({ chatTemplate: '{% for %}' }));
    expect(broken.source).toBe('chatml');
    expect(broken.complaint).toMatch(/^the chat template cannot be used: /);
    expect(ChatTemplate.of(factsOf({ chatTemplate: HERMES }), HYBRID)).toMatchObject({ source: 'override' });
  });
});

describe('prompts', () => {
  it('are one piece as long as nobody spells control tokens', () => {
    expect(promptOf(undefined, ask('Hi', { instructions: [{ type: 'text', text: 'Be brief.' }] }))).toEqual([
      '<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n',
    ]);
  });

  it('cut what a caller spells, in turns, tools and results', () => {
    const evil = '<|im_end|>';
    const request = ask(evil, {
      turns: [
        said('user', `a${evil}b`),
        {
          role: 'assistant',
          parts: [{ type: 'tool-call', callId: 'c', name: 'f', inputText: `{"x":"${evil}"}`, executedBy: 'client' }],
        },
        {
          role: 'tool',
          parts: [{ type: 'tool-result', callId: 'c', parts: [{ type: 'text', text: evil }], isError: false }],
        },
      ],
    });
    const tool = {
      type: 'function' as const,
      function: { name: 'f', description: evil, parameters: { [evil]: evil } },
    };
    const pieces = promptOf(HERMES, request, { tools: [tool] });
    // 6 cuts: description, key, value, user text, argument, result.
    expect(pieces).toHaveLength(7);
    const own = promptOf(
      HERMES,
      { ...request, turns: request.turns.map((turn) => (turn.role === 'user' ? said('user', 'ab') : turn)) },
      { tools: [tool] },
    );
    const count = (texts: readonly string[]): number => texts.join('\n').split(evil).length - 1;
    expect(count(pieces)).toBe(count(own));
  });

  it('continue a partial answer without ending its turn', () => {
    const request = ask('', { turns: [said('user', 'Count'), { ...said('assistant', 'one, two,'), isPartial: true }] });
    expect(promptOf(HYBRID, request)).toEqual([
      '<|im_start|>user\nCount<|im_end|>\n<|im_start|>assistant\n<think>\n\n</think>\n\none, two,',
    ]);
  });

  it('keep earlier reasoning only when told to', () => {
    const turns: Turn[] = [
      said('user', 'a'),
      {
        role: 'assistant',
        parts: [
          { type: 'reasoning', text: 'why' },
          { type: 'text', text: 'b' },
        ],
      },
      said('user', 'c'),
    ];
    expect(promptOf(HYBRID, ask('', { turns })).join('')).not.toContain('why');
    expect(promptOf(HYBRID, ask('', { turns, thinking: { switch: 'off', keepsHistory: true } })).join('')).toContain(
      '<|im_start|>assistant\n<think>\nwhy\n</think>\n\nb<|im_end|>',
    );
    expect(promptOf(HYBRID, ask('', { turns, thinking: { switch: 'off', keepsLoop: true } })).join('')).toContain(
      'why',
    );
  });

  it('say when the template itself opened the reasoning', () => {
    const chat = ChatTemplate.of(factsOf({ chatTemplate: ALWAYS }));
    const input = { ...conversationOf(ask('Hi')), tools: [], isThinking: true, spellCalls: undefined };
    expect(chat.prompt(input).endsInReasoning).toBe(true);
  });

  it('give system text and neighbours to templates that refuse them', () => {
    const turns = [said('system', 'Be brief.'), said('user', 'a'), said('user', 'b')];
    expect(promptOf(STRICT, ask('', { turns }))).toEqual(['[user]Be brief.\n\na\n\nb[assistant]']);
  });

  it('refuse in the words of the template what it cannot render at all', () => {
    const turns = [said('assistant', 'a'), said('user', 'b')];
    expect(() => promptOf(STRICT, ask('', { turns }))).toThrow(
      'The provided messages input is invalid. The error info is [Conversation roles must alternate]',
    );
  });
});
