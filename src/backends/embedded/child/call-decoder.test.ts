import { describe, expect, it } from 'vitest';
import {
  callShape,
  indexed,
  TOOL_FORMATS,
  type ToolFormat,
  toolFormat,
  writeCalls,
} from '../../parsers/tool-formats.ts';
import type { CallPlan, Stage } from '../engine-protocol.ts';
import { namedValues } from '../grounding/named-values.ts';
import { runChoice } from './testing/choice-driver.ts';

const functions = [
  { name: 'get_weather', argumentsGrammar: 'root ::= weather' },
  { name: 'get_time', argumentsGrammar: 'root ::= time' },
];

function stagesWith(calls: Partial<CallPlan>, stage: Partial<Stage> = {}): readonly Stage[] {
  const plan: CallPlan = { functions, mode: 'auto', isParallel: false, opening: '```json\n{"name": "', ...calls };
  return [{ kind: 'answer', opening: '', calls: plan, ...stage }];
}

const call = (name: string, input: string) => [
  { type: 'call-start', name },
  { type: 'call-input', text: input },
  { type: 'call-end', isValidJson: true },
];

describe('a required call', () => {
  const stages = stagesWith({ mode: 'required' });

  it('forces the opening, holds the name, forces the key, holds the arguments', () => {
    const run = runChoice({ stages }, ['get_', 'time"', ' {"', 'a": 1', '}']);
    expect(run.fed).toBe('```json\n{"name": "get_time", "arguments": {"a": 1');
    expect(run.pieces).toEqual(call('get_time', '{"a": 1}'));
    expect(run.grammars).toEqual([
      'root ::= "get_weather\\"" | "get_time\\""',
      'root ::= time\nroot-in-tokens ::= " "? root ([^,\\x00] [^\\x00]*)?\n',
    ]);
    expect(run.end?.reason).toBe('tool-calls');
    expect(run.counts.output).toBe(5);
  });

  it('forces the name too when there is no choice', () => {
    const only = stagesWith({ mode: 'required', functions: functions.slice(0, 1) });
    const run = runChoice({ stages: only }, [' {}']);
    expect(run.pieces).toEqual(call('get_weather', '{}'));
    expect(run.counts.output).toBe(1);
  });

  it('ends with a token that closes more than its arguments', () => {
    const run = runChoice({ stages }, ['get_', 'time"', ' {"a": 1', '}}\n```']);
    expect(run.pieces).toEqual(call('get_time', '{"a": 1}'));
    expect(run.end?.reason).toBe('tool-calls');
  });

  it('goes on, or ends, as such a token says, whatever its blanks', () => {
    const several = stagesWith({ mode: 'required', isParallel: true });
    const run = runChoice({ stages: several }, ['get_time"', '{}} \n{', 'get_weather"', '{"a": 2}}\n', '`']);
    expect(run.pieces).toEqual([...call('get_time', '{}'), ...call('get_weather', '{"a": 2}')]);
    expect(run.fed).toContain('{}} \n{"name": "get_weather", "arguments":{"a": 2}}\n');
    expect(run.end?.reason).toBe('tool-calls');
    const tooMuch = runChoice({ stages: several }, ['get_time"', '{}}\n{"x', 'get_weather"', '{}}\n```']);
    expect(tooMuch.fed).toContain('{}}\n{"name": "get_weather"');
    expect(tooMuch.pieces).toEqual([...call('get_time', '{}'), ...call('get_weather', '{}')]);
  });

  it('is followed by another that begins in the token that closed it', () => {
    const several = stagesWith({ isParallel: true });
    const run = runChoice({ stages: several }, [
      '{"name": "get_time"',
      '{}',
      '}\n{"name": "get_',
      'weather"',
      '{}}',
      null,
    ]);
    expect(run.pieces).toEqual([...call('get_time', '{}'), ...call('get_weather', '{}')]);
    const joined = runChoice({ stages: several }, [
      '{"name": "get_time"',
      '{}}\n{"name": "get_',
      'weather"',
      '{}}',
      null,
    ]);
    expect(joined.pieces).toEqual(run.pieces);
  });

  it('says when a limit cut its arguments', () => {
    const run = runChoice({ stages: stagesWith({ mode: 'required' }, { maxTokens: 3 }) }, [
      'get_',
      'time"',
      '{"a',
      'b',
    ]);
    expect(run.pieces.at(-1)).toEqual({ type: 'call-end', isValidJson: false });
    expect(run.end?.reason).toBe('length');
  });

  it('is complete when its last token is the last that the limit allows', () => {
    const run = runChoice({ stages: stagesWith({ mode: 'required' }, { maxTokens: 2 }) }, ['get_time"', '{}']);
    expect(run.end?.reason).toBe('tool-calls');
  });

  it('asks for closing when its arguments near a limit', () => {
    const run = runChoice({ stages: stagesWith({ mode: 'required' }, { maxTokens: 16 }) }, [
      'get_time"',
      '{"a": "',
      ...Array(7).fill('x'),
    ]);
    expect(run.wishes.map(({ closing }) => closing)).toContain('string');
  });

  it('is followed by another on a line of its own where several are allowed', () => {
    const lines = stagesWith({ mode: 'required', isParallel: true });
    const run = runChoice({ stages: lines }, ['get_time"', ' {"a":1}', '\n{', 'get_weather"', '{"b":2}', '\n`']);
    expect(run.pieces).toEqual([...call('get_time', '{"a":1}'), ...call('get_weather', '{"b":2}')]);
    expect(run.fed).toBe(
      '```json\n{"name": "get_time", "arguments": {"a":1}}\n{"name": "get_weather", "arguments":{"b":2}}',
    );
    expect(run.end?.reason).toBe('tool-calls');
  });

  it('is followed by another where the model separates them by a comma, which is not fed', () => {
    const lines = stagesWith({ mode: 'required', isParallel: true });
    const run = runChoice({ stages: lines }, [
      'get_time"',
      '{}},\n',
      'get_weather"',
      '{}',
      '\n,',
      'get_time"',
      '{}}\n`',
    ]);
    expect(run.pieces).toEqual([...call('get_time', '{}'), ...call('get_weather', '{}'), ...call('get_time', '{}')]);
    expect(run.fed).not.toContain('},');
    expect(run.fed).toContain('{}}\n{"name": "get_weather", "arguments":{}}\n{"name": "get_time", "arguments":');
  });

  it('ends after a call where a limit falls between two', () => {
    const lines = stagesWith({ mode: 'required', isParallel: true }, { maxTokens: 2 });
    expect(runChoice({ stages: lines }, ['get_time"', '{}', '{']).end?.reason).toBe('tool-calls');
  });

  it('ends after a call where a limit would cut the next one', () => {
    const tokens = ['get_time"', '{"a": ', '1}}\n{', 'get_weather"', '{}}\n`'];
    const within = (maxTokens: number) =>
      runChoice({ stages: stagesWith({ mode: 'required', isParallel: true }, { maxTokens }) }, tokens);
    expect(within(11).pieces).toEqual(call('get_time', '{"a": 1}'));
    expect(within(11).end?.reason).toBe('tool-calls');
    expect(within(12).pieces).toEqual([...call('get_time', '{"a": 1}'), ...call('get_weather', '{}')]);
  });

  it('ends when the model makes the same call again and again', () => {
    const lines = stagesWith({ mode: 'required', isParallel: true });
    const run = runChoice({ stages: lines }, Array(9).fill(['get_time"', '{}', '{']).flat());
    expect(run.pieces.filter(({ type }) => type === 'call-end')).toHaveLength(3);
    expect(run.end?.reason).toBe('tool-calls');
  });

  it('ends when the model comes back to a call after another one', () => {
    const lines = stagesWith({ mode: 'required', isParallel: true });
    const turns = ['get_time"', '{}', '\n{', 'get_weather"', '{}', '\n{'];
    const run = runChoice({ stages: lines }, [...turns, ...turns, ...turns]);
    expect(run.pieces).toEqual([...call('get_time', '{}'), ...call('get_weather', '{}'), ...call('get_time', '{}')]);
  });
});

describe('a call in free text', () => {
  const stages = stagesWith({});

  it('begins when a declared name is closed; what the same token says further is neither fed nor counted', () => {
    const run = runChoice({ stages }, ['Sure:\n', '```json\n{\n', '  "name": "get_', 'time",\n', ' {"a": 1}']);
    expect(run.pieces).toEqual([{ type: 'text', text: 'Sure:' }, ...call('get_time', '{"a": 1}')]);
    expect(run.fed).toBe('Sure:\n```json\n{\n  "name": "get_time",\n  "arguments":');
    expect(run.end?.reason).toBe('tool-calls');
    expect(run.counts.output).toBe(4);
  });

  it('goes on in the quotes the model uses', () => {
    const run = runChoice({ stages }, ["{'name': 'get_time'", '{}']);
    expect(run.fed).toBe("{'name': 'get_time', 'arguments':");
  });

  it('is text when its name is not declared', () => {
    const run = runChoice({ stages }, ['{"name": "say_', 'hello"', '}', null]);
    expect(run.pieces).toEqual([{ type: 'text', text: '{"name": "say_hello"}' }]);
    expect(run.end?.reason).toBe('stop');
  });

  it('is text when the answer ends inside its opening', () => {
    const run = runChoice({ stages }, ['{"name": "get_', null]);
    expect(run.pieces).toEqual([{ type: 'text', text: '{"name": "get_' }]);
  });

  it('may be followed by another where several are allowed; only their spelling may stand between and after', () => {
    const several = stagesWith({ isParallel: true });
    const one = ['<tool_call>\n{"name": "get_time"', ' {"a":1}'];
    const two = ['<tool_call>\n{"name": "get_weather"', ' {"b":2}'];
    const run = runChoice({ stages: several }, [
      ...one,
      '}\n',
      '</tool',
      '_call>\n',
      ...two,
      '}',
      '\nI have called',
      'x',
    ]);
    expect(run.pieces).toEqual([...call('get_time', '{"a":1}'), ...call('get_weather', '{"b":2}')]);
    expect(run.end?.reason).toBe('tool-calls');
    const ended = runChoice({ stages: several }, [...one, '}\n', '```', null]);
    expect(ended.end?.reason).toBe('tool-calls');
  });

  it('may open an array', () => {
    const several = stagesWith({ isParallel: true });
    const run = runChoice({ stages: several }, ['[{"name": "get_time"', '{}', ',', 'get_weather"', '{}', ']']);
    expect(run.pieces.filter(({ type }) => type === 'call-start')).toHaveLength(2);
    expect(run.fed).toBe('[{"name": "get_time", "arguments":{}}, {"name": "get_weather", "arguments":{}}');
  });

  it('is an alternative to the grammar of its stage', () => {
    const run = runChoice({ stages: stagesWith({}, { grammar: 'root ::= object' }) }, ['{"name": "get_time"', '{}']);
    expect(run.grammars[0]).toBe(
      'root ::= object\nroot-of-stage ::= root [ \\n]{0,3} | "```json\\n{\\"name\\": \\"" ("get_weather\\"" | "get_time\\"")\n',
    );
    expect(run.pieces).toEqual(call('get_time', '{}'));
  });

  it('is not searched for stop texts', () => {
    const run = runChoice({ stages, plan: { stopTexts: ['name', '1'] } }, ['{"name": "get_time"', '{"a":1}']);
    expect(run.pieces).toEqual(call('get_time', '{"a":1}'));
  });
});

const CALLS = [
  { name: 'get_time', inputText: '{"a": "x y"}' },
  { name: 'get_weather', inputText: '{"a": "z"}' },
];

/** A plan for a family, with grammars that nobody reads. */
function familyStages(format: ToolFormat, calls: Partial<CallPlan>, stage: Partial<Stage> = {}): readonly Stage[] {
  const tagged = format.input === 'json' ? undefined : { grammar: 'root ::= tagged', texts: ['a'] };
  return stagesWith(
    {
      functions: functions.map((callable) => ({ ...callable, tagged })),
      opening: callShape(format).opening,
      format: format.id,
      ...calls,
    },
    stage,
  );
}

/** What a model of the family samples for a call: its name, then its arguments. */
function sampledCall(format: ToolFormat, { name, inputText }: (typeof CALLS)[number]): string[] {
  const named = name + callShape(format).nameEnd;
  if (format.input === 'json') return [named, (format.afterName.endsWith(' ') ? ' ' : '') + inputText];
  const written = writeCalls(format, [{ name, inputText }]);
  const from = written.indexOf(name) + name.length + format.afterName.length;
  // Arguments between tags end where something else begins.
  return [named, written.slice(from, written.indexOf(format.after, from)), '</'];
}

for (const format of TOOL_FORMATS) {
  describe(`calls in the spelling of ${format.id}`, () => {
    const [first, second] = CALLS;
    if (!first || !second) throw new Error('no calls');
    const expected = CALLS.flatMap(({ name, inputText }) => call(name, inputText));

    it('are decoded when required, one of them', () => {
      const run = runChoice({ stages: familyStages(format, { mode: 'required' }) }, sampledCall(format, first));
      expect(run.pieces).toEqual(call(first.name, first.inputText));
      expect(run.end?.reason).toBe('tool-calls');
      // All that was fed is how the family writes it.
      expect(writeCalls(format, [first]).startsWith(run.fed.replace(/<\/$/, ''))).toBe(true);
    });

    it('are decoded when required, several of them', () => {
      const { next, ending } = callShape(format);
      const isClosed = ending !== '';
      const run = runChoice({ stages: familyStages(format, { mode: 'required', isParallel: true }) }, [
        ...sampledCall(format, first),
        // A family that closes its calls is asked whether it goes on; another goes on in free text, or ends its turn.
        isClosed ? differenceOf(next, ending) : next,
        ...sampledCall(format, second),
        ...(isClosed ? [differenceOf(ending, next)] : [null]),
      ]);
      expect(run.pieces).toEqual(expected);
      expect(run.end?.reason).toBe('tool-calls');
      const written = writeCalls(format, CALLS);
      expect(written.startsWith(run.fed.slice(0, -1))).toBe(true);
    });

    it('are found in free text, and go on as the family writes them', () => {
      const { opening, nameEnd } = callShape(format);
      const [, ...rest] = sampledCall(format, first);
      const run = runChoice({ stages: familyStages(format, {}) }, [
        'Well.\n',
        opening,
        first.name,
        nameEnd + foundTail(format),
        ...rest,
      ]);
      expect(run.pieces).toEqual([{ type: 'text', text: 'Well.' }, ...call(first.name, first.inputText)]);
      expect(run.end?.reason).toBe('tool-calls');
    });
  });
}

/** How much of one text tells it from the other. */
function differenceOf(text: string, other: string): string {
  let length = 1;
  while (other.startsWith(text.slice(0, length))) length++;
  return text.slice(0, length);
}

/** What a model writes after a name's end, up to where an opening in free text is one. */
function foundTail(format: ToolFormat): string {
  const { nameEnd, beforeInput } = callShape(format);
  return nameEnd === '"' && format.before.endsWith('{"name": "') ? '' : indexed(beforeInput, 0).trimEnd();
}

describe('tags of another family than the plan’s', () => {
  it('are text: nothing would hold what stands between them', () => {
    const run = runChoice({ stages: familyStages(toolFormat('hermes'), {}) }, ['<function=', 'get_time>', 'x', null]);
    expect(run.pieces).toEqual([{ type: 'text', text: '<function=get_time>x' }]);
  });

  it('and a limit between tags leaves what is there', () => {
    const stages = familyStages(toolFormat('glm'), { mode: 'required' }, { maxTokens: 3 });
    const run = runChoice({ stages }, ['get_time\n', '<arg_key>a</arg_key>\n<arg_value>', 'so far']);
    expect(run.pieces).toEqual([
      { type: 'call-start', name: 'get_time' },
      { type: 'call-input', text: '{"a": "so far' },
      { type: 'call-end', isValidJson: false },
    ]);
    expect(run.end?.reason).toBe('length');
  });
});

describe('calls that are held against the request', () => {
  const request = 'The weather in Paris and Rome';
  const grounding = { request, values: namedValues(request, ''), conversation: request };
  const stages = stagesWith({
    mode: 'required',
    isParallel: true,
    functions: [{ name: 'get_weather', argumentsGrammar: 'root ::= weather', optional: ['unit'] }],
    grounding,
  });

  it('go on while a value is open, whatever the model would write', () => {
    const run = runChoice({ stages }, [' {"city": "Paris"}', ' {"city": "Rome"}', '\n`']);
    expect(run.pieces).toEqual([
      ...call('get_weather', '{"city": "Paris"}'),
      ...call('get_weather', '{"city": "Rome"}'),
    ]);
    expect(run.fed).toContain('"Paris"}}\n{"name": "get_weather", "arguments":');
    expect(run.end?.reason).toBe('tool-calls');
  });

  it('end with the last value that was open, unless another function may be called for it', () => {
    const run = runChoice({ stages }, [' {"city": "Paris"}}\n', ' {"city": "Rome"}}\n{', ' {"city": "Oslo"}']);
    expect(run.pieces).toEqual([
      ...call('get_weather', '{"city": "Paris"}'),
      ...call('get_weather', '{"city": "Rome"}'),
    ]);
    const both = stages.map((stage) => ({ ...stage, calls: stage.calls && { ...stage.calls, functions } }));
    const sampled = ['get_weather"', ' {"city": "Paris"}}\n', 'get_weather"', ' {"city": "Rome"}}\n{'];
    const more = runChoice({ stages: both }, [...sampled, 'get_time"', ' {"city": "Paris"}}\n`']);
    expect(more.pieces.at(-3)).toEqual({ type: 'call-start', name: 'get_time' });
  });

  describe('narrow the next one to what is left of the lists', () => {
    const parameters = { type: 'object', properties: { city: { type: 'string' }, day: { type: 'integer' } } };
    const listed = { parameters, numbers: ['day'], texts: ['city'], lists: [], isDeed: false };
    const heldTo = (asked: string): readonly Stage[] =>
      stagesWith({
        mode: 'required',
        isParallel: true,
        functions: [{ name: 'get_weather', argumentsGrammar: 'root ::= weather', listed }],
        grounding: { request: asked, values: namedValues(asked, ''), conversation: asked },
      });

    it('of the argument that held the first', () => {
      const run = runChoice({ stages: heldTo(request) }, [' {"city": "Paris"}', ' {"city": "Rome"}', '\n`']);
      const [first, second, ...more] = run.grammars.filter((grammar) => grammar.includes('root-in-tokens'));
      expect(first).toContain('root ::= weather');
      expect(second).toContain('Rome');
      expect(second).not.toContain('Paris');
      expect(more).toEqual([]);
    });

    it('until each value of one was with each of the other, and end then', () => {
      const asked = 'The weather in Paris and Rome, on day 2 and 3';
      const inputs = [
        '{"city": "Paris", "day": 2}',
        '{"city": "Rome", "day": 3}',
        '{"city": "Paris", "day": 3}',
        '{"city": "Rome", "day": 2}',
      ];
      const sampled = [...inputs, '{"city": "Oslo"}'].map((input) => ` ${input}}\n\``);
      const run = runChoice({ stages: heldTo(asked) }, sampled);
      expect(run.pieces).toEqual(inputs.flatMap((input) => call('get_weather', input)));
      expect(run.end?.reason).toBe('tool-calls');
    });

    it('to all of a choice that was asked for of one thing, before the next thing', () => {
      const asked = 'The mean and the median of [3, 1] and [4, 2]';
      const properties = { of: { type: 'array' }, by: { type: 'string', enum: ['mean', 'median'] } };
      const sort = { parameters: { type: 'object', properties }, numbers: [], texts: [], lists: [], isDeed: false };
      const stages = stagesWith({
        mode: 'required',
        isParallel: true,
        functions: [{ name: 'find', argumentsGrammar: 'root ::= any', listed: sort }],
        grounding: { request: asked, values: namedValues(asked, '', ['mean', 'median']), conversation: asked },
      });
      const inputs = [
        '[3, 1], "by": "mean"',
        '[3, 1], "by": "median"',
        '[4, 2], "by": "mean"',
        '[4, 2], "by": "median"',
      ];
      const calls = inputs.map((input) => `{"of": ${input}}`);
      const run = runChoice(
        { stages },
        [...calls, '{"of": []}'].map((input) => ` ${input}}\n\``),
      );
      expect(run.pieces).toEqual(calls.flatMap((input) => call('find', input)));
      const held = run.grammars.filter((grammar) => grammar.includes('root-in-tokens'));
      expect(held.at(-1)).toContain('median');
      expect(held.at(-1)).not.toContain('mean"');
    });
  });

  it('go on while the request counts more things, but not with a call that was made', () => {
    const asked = 'Two squares: the first one small, the second one large';
    const plan = { request: asked, values: namedValues(asked, ''), conversation: asked };
    const held = stages.map((stage) => ({ ...stage, calls: stage.calls && { ...stage.calls, grounding: plan } }));
    const small = '{"size": "small"}';
    const two = runChoice({ stages: held }, [` ${small}}\n\``, ' {"size": "large"}}\n`']);
    expect(two.pieces).toEqual([...call('get_weather', small), ...call('get_weather', '{"size": "large"}')]);
    const again = runChoice({ stages: held }, [` ${small}}\n\``, ` ${small}}\n\``]);
    expect(again.pieces).toEqual(call('get_weather', small));
    expect(again.counts.output).toBe(1);
  });

  it('end where they go on and on with what nobody asked for, unless a number does', () => {
    const callsFor = (asked: string): number => {
      const plan = { request: asked, values: namedValues(asked, ''), conversation: asked };
      const sampled = Array.from({ length: 20 }, (_, day) => ` {"day": ${day}}}\n{`);
      const held = stages.map((stage) => ({ ...stage, calls: stage.calls && { ...stage.calls, grounding: plan } }));
      const { pieces } = runChoice({ stages: held }, sampled);
      return pieces.filter(({ type }) => type === 'call-start').length;
    };
    expect(callsFor('The weather today, yesterday and the day before')).toBe(7);
    expect(callsFor('The weather of the last 14 days')).toBe(14);
    expect(callsFor('The weather of the last days of 2024')).toBe(7);
  });

  it('leave flags out that nothing is said of', () => {
    const functionsWith = [{ name: 'get_weather', argumentsGrammar: '', optional: ['hourly'], unspoken: ['hourly'] }];
    const one = stagesWith({ mode: 'required', functions: functionsWith, grounding });
    const run = runChoice({ stages: one }, [' {"city": "Paris"', ', "hourly":', ' true', '}']);
    expect(run.pieces).toEqual(call('get_weather', '{"city": "Paris"}'));
  });

  it('show none that was made for a value and does not hold it, and count none of its tokens', () => {
    const run = runChoice({ stages }, [' {"city": "Paris"}}\n```', ' {"city": ', '"Oslo"}']);
    expect(run.pieces).toEqual(call('get_weather', '{"city": "Paris"}'));
    expect(run.end?.reason).toBe('tool-calls');
    expect(run.counts.output).toBe(1);
  });

  it('show none that comes back to an earlier one', () => {
    const sampled = [' {"city": "Paris"}}\n`', ' {"city": "Rome"}}\n{', ' {"city": "Paris"}}\n{'];
    const lists = 'The weather in Paris and Rome, on May 1 and 2';
    const twice = { request: lists, values: namedValues(lists, ''), conversation: lists };
    const run = runChoice(
      { stages: stages.map((stage) => ({ ...stage, calls: stage.calls && { ...stage.calls, grounding: twice } })) },
      sampled,
    );
    expect(run.pieces).toEqual([
      ...call('get_weather', '{"city": "Paris"}'),
      ...call('get_weather', '{"city": "Rome"}'),
    ]);
    expect(run.counts.output).toBe(2);
  });

  it('show none that only turns a flag of an earlier one, which nobody asked for', () => {
    const lower = 'The weather in the north and the south';
    const own = { request: lower, values: namedValues(lower, ''), conversation: lower };
    const forBoth = stages.map((stage) => ({ ...stage, calls: stage.calls && { ...stage.calls, grounding: own } }));
    const [north, south] = ['{"city": "north", "hourly": true}', '{"city": "south", "hourly": false}'];
    const turned = runChoice({ stages: forBoth }, [` ${north}}\n{`, ' {"city": "north", "hourly": false}}\n{']);
    expect(turned.pieces).toEqual(call('get_weather', north));
    const other = runChoice({ stages: forBoth }, [` ${north}}\n{`, ` ${south}}\n\``]);
    expect(other.pieces).toEqual([...call('get_weather', north), ...call('get_weather', south)]);
  });

  it('show none that a limit cuts', () => {
    const cut = stages.map((stage) => ({ ...stage, maxTokens: 30 }));
    const run = runChoice({ stages: cut }, [' {"city": "Paris"}}\n`', ' {"city": "', ...Array(40).fill('x')]);
    expect(run.pieces).toEqual(call('get_weather', '{"city": "Paris"}'));
    expect(run.end?.reason).toBe('tool-calls');
    expect(run.counts.output).toBe(1);
  });

  it('leave optional arguments out that nothing stands for, with their tokens', () => {
    const one = stages.map((stage) => ({ ...stage, calls: stage.calls && { ...stage.calls, isParallel: false } }));
    const run = runChoice({ stages: one }, [' {"city": "Paris"', ', "un', 'it": "', 'cel', 'sius"', '}']);
    expect(run.pieces).toEqual(call('get_weather', '{"city": "Paris"}'));
    // The token that began the member was begun by something that is shown, and the last one closes the call.
    expect(run.counts.output).toBe(3);
    const given = runChoice({ stages: one }, [' {"city": "Paris"', ', "un', 'it": "', 'weather', '"', '}']);
    expect(given.pieces).toEqual(call('get_weather', '{"city": "Paris", "unit": "weather"}'));
    expect(given.counts.output).toBe(6);
  });
});
