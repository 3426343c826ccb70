/** Where blocks end in rendered prompts, by templates of the kinds there are. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { ContextCache } from '../../core/context-cache.ts';
import type { ContentPart, GenerationRequest, TextPart, Turn } from '../../core/generation.ts';
import { cachedPrompt } from './cache-plan.ts';
import { decodePlanOf } from './decode-plan.ts';
import type { DecodePlan, PromptSegment } from './engine-protocol.ts';
import { ask, planInputOf, WEATHER } from './testing/harness.ts';

const TURN = "{{ '<|im_start|>' + message.role + '\\n' + message.content + '<|im_end|>\\n' }}";
const GENERATE = "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}";
const TOOLS_BEHIND_SYSTEM =
  "{% if tools %}{{ '<|im_start|>system\\n' + messages[0].content + '\\n<tools>' }}{% for tool in tools %}{{ tool | tojson }}{% endfor %}{{ '</tools><|im_end|>\\n' }}{% endif %}" +
  `{% for message in messages %}{% if message.role == 'system' and tools %}{% elif message.role == 'tool' %}{{ '<|im_start|>user\\n<tool_response>' + message.content + '</tool_response><|im_end|>\\n' }}` +
  `{% elif message.tool_calls %}{{ '<|im_start|>assistant' }}{% for call in message.tool_calls %}{{ '\\n<tool_call>{"name": "' + call.function.name + '", "arguments": ' }}{{ call.function.arguments | tojson }}{{ '}</tool_call>' }}{% endfor %}{{ '<|im_end|>\\n' }}` +
  `{% else %}${TURN}{% endif %}{% endfor %}${GENERATE}`;
const TRIMS = `{% for message in messages %}{{ '[' + message.role + ']' + (message.content | trim) + '\\n' }}{% endfor %}{{ '[assistant]' }}`;
const NO_SYSTEM = `{% for message in messages %}{% if message.role == 'system' %}{{ raise_exception('System role not supported') }}{% endif %}{{ '[' + message.role + ']' + message.content }}{% endfor %}{{ '[assistant]' }}`;
const LOOKS_AT_THE_END = `{% for message in messages %}{% if message.content.endswith('!') %}{{ 'loud: ' }}{% endif %}{{ message.content + '\\n' }}{% endfor %}`;

const cacheMark = { ttlSeconds: 300 };
const text = (value: string): TextPart => ({ type: 'text', text: value });
const marked = (value: string): TextPart => ({ ...text(value), cacheMark });
const said = (role: Turn['role'], ...parts: readonly ContentPart[]): Turn => ({ role, parts });

function planOf(
  turns: readonly Turn[],
  {
    mode = 'explicit',
    chatTemplate,
    ...more
  }: Partial<GenerationRequest> & Partial<Pick<ContextCache, 'mode'>> & { chatTemplate?: string } = {},
): DecodePlan {
  const contextCache: ContextCache = { mode, namespace: 'ns', minTokens: 1024, lifetimeMs: 300_000 };
  return decodePlanOf(planInputOf(ask('', { turns, contextCache, ...more }), { chatTemplate }));
}

function textOf(plan: DecodePlan, segments?: number): string {
  return plan.prompt
    .slice(0, segments)
    .map((segment) => segment.text)
    .join('');
}

/** The prefixes that the marks keep, and those that each of them finds. */
function blocksOf(plan: DecodePlan): { readonly keeps: string; readonly finds: readonly string[] }[] {
  return (plan.cache?.marks ?? []).map(({ segments, lookBack }) => ({
    keeps: textOf(plan, segments),
    finds: lookBack.map((place) => textOf(plan, place)),
  }));
}

describe('a prompt whose pieces are marked', () => {
  it('is the prompt that it would be without marks, cut where pieces end', () => {
    const turns = [said('system', text('You are'), marked(' kind.')), said('user', text('Hello'))];
    const plan = planOf(turns);
    expect(textOf(plan)).toBe(textOf(planOf(turns, { mode: 'implicit' })));
    expect(plan.cache).toEqual({
      mode: 'explicit',
      namespace: 'ns',
      minTokens: 1024,
      lifetimeMs: 300_000,
      marks: [{ segments: 2, lookBack: [1] }],
    });
    expect(blocksOf(plan)).toEqual([
      { keeps: '<|im_start|>system\nYou are kind.', finds: ['<|im_start|>system\nYou are'] },
    ]);
  });

  it('is the same tokens wherever the marks stand', () => {
    const first = planOf([said('system', marked('A'), text('B')), said('user', text('C'))]);
    const second = planOf([said('system', text('A'), text('B')), said('user', marked('C'))]);
    expect(second.prompt).toEqual(first.prompt);
    expect(blocksOf(second)[0]?.finds).toContain(blocksOf(first)[0]?.keeps);
  });

  it('keeps the last four marks and looks twenty pieces back', () => {
    const turns = Array.from({ length: 30 }, (_, index) =>
      said(index % 2 === 0 ? 'user' : 'assistant', marked(`piece ${index}`)),
    );
    const blocks = blocksOf(planOf(turns));
    expect(blocks.map(({ keeps }) => keeps.split('piece ').at(-1))).toEqual(['26', '27', '28', '29']);
    expect(blocks.map(({ finds }) => finds.length)).toEqual([20, 20, 20, 20]);
    expect(blocks[3]?.finds.at(-1)).toMatch(/piece 9$/);
  });

  it('of a session is one block to its end, that finds any before it', () => {
    const turns = Array.from({ length: 30 }, (_, index) =>
      said(index % 2 === 0 ? 'user' : 'assistant', text(`piece ${index}`)),
    );
    const blocks = blocksOf(planOf(turns, { mode: 'session' }));
    expect(blocks).toHaveLength(1);
    expect(blocks[0]?.keeps).toMatch(/piece 29$/);
    expect(blocks[0]?.finds).toHaveLength(29);
  });

  it('ends pieces before their white space, as templates trim', () => {
    const turns = [said('user', marked('Hello \n')), said('assistant', text(' Hi ')), said('user', marked('  Bye  '))];
    const plan = planOf(turns, { chatTemplate: TRIMS });
    expect(textOf(plan)).toBe('[user]Hello\n[assistant]Hi\n[user]Bye\n[assistant]');
    expect(blocksOf(plan).map(({ keeps }) => keeps)).toEqual(['[user]Hello', '[user]Hello\n[assistant]Hi\n[user]Bye']);
  });

  it('gives a piece that leaves nothing behind the place of the one before it', () => {
    const plan = planOf([said('user', text('Hello'), marked('  '))]);
    expect(blocksOf(plan)).toEqual([{ keeps: '<|im_start|>user\nHello', finds: [] }]);
    expect(blocksOf(planOf([said('user', marked('  '))]))).toEqual([]);
  });

  it('follows system text into the turn that a template wants it in', () => {
    const plan = planOf([said('system', marked('Be kind.')), said('user', marked('Hello'))], {
      chatTemplate: NO_SYSTEM,
    });
    expect(blocksOf(plan).map(({ keeps }) => keeps)).toEqual(['[user]Be kind.', '[user]Be kind.\n\nHello']);
  });

  it('counts the instructions of wires that carry them apart', () => {
    const plan = planOf([said('user', text('Hello'))], { instructions: [text('Be'), marked(' kind.')] });
    expect(blocksOf(plan).map(({ keeps }) => keeps)).toEqual(['<|im_start|>system\nBe kind.']);
  });

  it('reaches into a partial answer', () => {
    const turns = [said('user', text('Say')), { ...said('assistant', marked('Hello, ')), isPartial: true }];
    expect(blocksOf(planOf(turns))[0]?.keeps).toBe('<|im_start|>user\nSay<|im_end|>\n<|im_start|>assistant\nHello,');
  });

  it('has no places where a tag would change what the template writes', () => {
    const turns = [said('user', marked('Hello!'))];
    const plan = planOf(turns, { chatTemplate: LOOKS_AT_THE_END });
    expect(textOf(plan)).toBe('loud: Hello!\n');
    expect(plan.cache?.marks).toEqual([]);
  });

  it('has no places where the template stumbles over a tag', () => {
    const chatTemplate = `{% for message in messages %}{% if message.content.endswith('\ufdd0') %}{{ raise_exception('odd') }}{% endif %}{{ message.content }}{% endfor %}`;
    const plan = planOf([said('user', marked('Hello'))], { chatTemplate });
    expect(textOf(plan)).toBe('Hello');
    expect(plan.cache?.marks).toEqual([]);
  });

  it('ends a picture behind the picture', () => {
    const picture: ContentPart = { type: 'image', url: 'data:image/png;base64,AAAA', cacheMark };
    const request = ask('', {
      turns: [said('user', text('See '), picture, text('What is it?'))],
      contextCache: { mode: 'explicit', namespace: 'ns', minTokens: 1024, lifetimeMs: 300_000 },
    });
    // What the renderer makes of a picture is its own business: here a word.
    const render = ({ turns }: GenerationRequest): PromptSegment[] => [
      {
        kind: 'control',
        text: turns[0]?.parts.map((part) => (part.type === 'text' ? part.text : '<picture>')).join('') ?? '',
      },
    ];
    const { prompt, cache } = cachedPrompt(request, render(request), render);
    const [mark] = cache?.marks ?? [];
    expect(prompt.slice(0, mark?.segments).map((segment) => segment.text)).toEqual(['See', ' <picture>']);
  });

  it('cuts control tokens that a caller spells across two pieces, as ever', () => {
    const plan = planOf([said('user', text('<|im_'), marked('end|> and <|im_end|>'))]);
    for (const segment of plan.prompt.slice(1, -1)) expect(segment.text).not.toContain('<|im_end|>');
    expect(textOf(plan)).toContain('<|im_end|> and <|im_end|><|im_end|>');
  });

  it('tells tags from texts that use the same characters', () => {
    const turns = [said('user', marked('\ufdd0first\ufdd00\ufdd0 \\ufdd1 0'))];
    const plan = planOf(turns);
    expect(blocksOf(plan)[0]?.keeps).toBe('<|im_start|>user\n\ufdd0first\ufdd00\ufdd0 \\ufdd1 0');
  });
});

describe('tools', () => {
  const called: Turn[] = [
    said('user', text('Weather?')),
    said('assistant', {
      type: 'tool-call',
      callId: 'c1',
      name: 'get_current_weather',
      inputText: '{"location": "Beijing"}',
      executedBy: 'client',
      cacheMark,
    }),
    said('tool', {
      type: 'tool-result',
      callId: 'c1',
      parts: [text('Rain, '), text('9 degrees')],
      isError: false,
      cacheMark,
    }),
  ];

  it('are part of the prefix of the system text, wherever the template tells them', () => {
    for (const chatTemplate of [TOOLS_BEHIND_SYSTEM, undefined]) {
      const turns = [said('system', marked('Be kind.')), said('user', text('Weather?'))];
      const [block] = blocksOf(planOf(turns, { tools: [WEATHER], chatTemplate }));
      expect(block?.keeps).toContain('get_current_weather');
      expect(block?.keeps).not.toContain('Weather?');
    }
  });

  it('have blocks behind a call and behind its result', () => {
    const [call, result] = blocksOf(planOf(called, { tools: [WEATHER], chatTemplate: TOOLS_BEHIND_SYSTEM }));
    expect(call?.keeps).toMatch(/"Beijing$/);
    expect(result?.keeps).toMatch(/Rain, 9 degrees$/);
    expect(result?.finds[0]).toBe(call?.keeps);
  });

  it('have blocks where the calls are spelt as text, too', () => {
    const blocks = blocksOf(planOf(called, { tools: [WEATHER] }));
    expect(blocks[0]?.keeps).toMatch(/"Beijing$/);
    expect(blocks[1]?.keeps).toMatch(/9 degrees$/);
  });

  it('leave a call without arguments the place before it', () => {
    const turns: Turn[] = [
      said('user', text('Now?')),
      said('assistant', {
        type: 'tool-call',
        callId: 'c',
        name: 'f',
        inputText: '{}',
        executedBy: 'client',
        cacheMark,
      }),
      said('tool', { type: 'tool-result', callId: 'c', parts: [text('ok')], isError: false }),
    ];
    expect(blocksOf(planOf(turns, { tools: [WEATHER] })).map(({ keeps }) => keeps)).toEqual([
      expect.stringMatching(/Now\?$/),
    ]);
  });
});

describe('a prompt without marks', () => {
  it('is kept by the engine as it likes, told or not', () => {
    for (const mode of ['implicit', 'off'] as const) {
      const plan = planOf([said('user', text('Hel'), text('lo'))], { mode });
      expect(plan.prompt).toHaveLength(1);
      expect(plan.cache).toEqual({ mode: 'implicit', namespace: 'ns' });
    }
  });

  it("is nobody's where the pipeline said nothing", () => {
    expect(planOf([said('user', text('Hello'))], { contextCache: undefined }).cache).toBeUndefined();
  });

  it('may be raw', () => {
    const plan = planOf([], { rawPrompt: { text: 'def f' }, mode: 'session' });
    expect(plan.cache).toEqual({ mode: 'implicit', namespace: 'ns' });
  });
});

it('leaves every prompt as it was, in the same pieces wherever its marks stand', () => {
  const piece = fc.oneof(
    fc.string({ unit: 'binary', maxLength: 8 }),
    fc.constantFrom(
      '<|im_end|>',
      '<|im_',
      'end|>',
      ' \n',
      '\ufdd0',
      '\ufdd00\ufdd0',
      '\\ufdd00\\ufdd0',
      'first',
      '"',
      '}',
    ),
  );
  const turn = fc.record({
    texts: fc.array(fc.array(piece, { maxLength: 4 }), { maxLength: 3 }),
    isTool: fc.boolean(),
  });
  fc.assert(
    fc.property(
      fc.array(turn, { maxLength: 6 }),
      fc.array(fc.nat(20), { maxLength: 6 }),
      fc.constantFrom(undefined, TOOLS_BEHIND_SYSTEM, TRIMS),
      (conversation, marks, chatTemplate) => {
        const turnsOf = (marksAt: readonly number[]): Turn[] => {
          let count = 0;
          const textPart = (pieces: readonly string[]): TextPart =>
            marksAt.includes(count++) ? marked(pieces.join('')) : text(pieces.join(''));
          return conversation.map(({ texts }, index) =>
            said(index === 0 ? 'system' : index % 2 === 1 ? 'user' : 'assistant', ...texts.map(textPart)),
          );
        };
        const tools = conversation.some(({ isTool }) => isTool) ? [WEATHER] : [];
        const plan = planOf(turnsOf(marks), { chatTemplate, tools });
        expect(textOf(plan)).toBe(textOf(planOf(turnsOf([]), { chatTemplate, tools, mode: 'implicit' })));
        expect(plan.prompt).toEqual(planOf(turnsOf([0]), { chatTemplate, tools }).prompt);
        for (const { segments, lookBack } of plan.cache?.marks ?? [])
          for (const place of [segments, ...lookBack]) {
            expect(place).toBeGreaterThan(0);
            expect(place).toBeLessThanOrEqual(plan.prompt.length);
          }
      },
    ),
  );
});
