import { describe, expect, it } from 'vitest';
import type { CallPlan, Stage } from '../engine-protocol.ts';
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
      'root ::= time\nroot-after-blank ::= " "? root\n',
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

  it('comes in an array where several are allowed', () => {
    const array = stagesWith({ mode: 'required', isParallel: true, opening: '[{"name": "' });
    const run = runChoice({ stages: array }, ['get_time"', ' {"a":1}', ',', 'get_weather"', '{"b":2}', ']']);
    expect(run.pieces).toEqual([...call('get_time', '{"a":1}'), ...call('get_weather', '{"b":2}')]);
    expect(run.fed).toBe('[{"name": "get_time", "arguments": {"a":1}}, {"name": "get_weather", "arguments":{"b":2}}');
    expect(run.end?.reason).toBe('tool-calls');
  });

  it('ends after a call where a limit falls between two', () => {
    const array = stagesWith({ mode: 'required', isParallel: true, opening: '[{"name": "' }, { maxTokens: 2 });
    expect(runChoice({ stages: array }, ['get_time"', '{}', ',']).end?.reason).toBe('tool-calls');
  });

  it('ends when the model makes the same call again and again', () => {
    const array = stagesWith({ mode: 'required', isParallel: true, opening: '[{"name": "' });
    const run = runChoice({ stages: array }, Array(9).fill(['get_time"', '{}', ',']).flat());
    expect(run.pieces.filter(({ type }) => type === 'call-end')).toHaveLength(3);
    expect(run.end?.reason).toBe('tool-calls');
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
      'root ::= object\nroot-or-call ::= root | "```json\\n{\\"name\\": \\"" ("get_weather\\"" | "get_time\\"")\n',
    );
    expect(run.pieces).toEqual(call('get_time', '{}'));
  });

  it('is not searched for stop texts', () => {
    const run = runChoice({ stages, plan: { stopTexts: ['name', '1'] } }, ['{"name": "get_time"', '{"a":1}']);
    expect(run.pieces).toEqual(call('get_time', '{"a":1}'));
  });
});
