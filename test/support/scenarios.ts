/** The scenarios: canonical streams, written once, from which every wire makes its goldens. */
import { readdirSync, readFileSync } from 'node:fs';
import { type ErrorCode, StudioError } from '../../src/core/errors.ts';
import { EventGrammar } from '../../src/core/event-grammar.ts';
import type { GenerationEvent } from '../../src/core/events.ts';

const FOLDER = new URL('../scenarios/', import.meta.url);
const ENDING = '.events.jsonl';

/** Every scenario by name, in order. */
export function scenarioNames(): string[] {
  return readdirSync(FOLDER)
    .filter((file) => file.endsWith(ENDING))
    .map((file) => file.slice(0, -ENDING.length))
    .sort();
}

/** The events of one scenario, checked against the grammar. */
export function readScenario(name: string): GenerationEvent[] {
  const events = readFileSync(new URL(`${name}${ENDING}`, FOLDER), 'utf8')
    .trimEnd()
    .split('\n')
    .map(parseEvent);
  const grammar = new EventGrammar();
  for (const event of events) grammar.push(event);
  grammar.end();
  return events;
}

/** In the files an error is its code and message. */
function parseEvent(line: string): GenerationEvent {
  const event = JSON.parse(line) as GenerationEvent;
  if (event.type !== 'error') return event;
  const { code, message } = event.error as { code: ErrorCode; message: string };
  return { ...event, error: new StudioError(code, message) };
}
