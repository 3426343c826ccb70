/** The grammars decoding is held to: those of the plan, and what the child puts around them. */
import { callShape, toolFormat } from '../../parsers/tool-formats.ts';
import type { CallableFunction, CallPlan, Stage, TaggedArguments } from '../engine-protocol.ts';
import type { Grammar } from './binding.ts';

const ROOT = 'root';

/** What a model may write between two calls, whatever its family writes there: it means that another follows. */
export const SEPARATOR = ',';

/** After a call of several: the next one, or the end. */
export function eitherGrammar(one: string, other: string): Grammar {
  const [first, second] = [visibleStart(one), visibleStart(other)];
  // Where one sign tells them apart the model may set blanks as it likes, and its token may hold more than the sign.
  const either =
    first === second
      ? `${gbnfLiteral(one)} | ${gbnfLiteral(other)}`
      : `[ \\t\\n]* (${[...new Set([first, second, SEPARATOR])].map(gbnfLiteral).join(' | ')}) ${ANYTHING}`;
  return { gbnf: `root ::= ${either}`, root: ROOT };
}

/** The first sign of a text that is no blank. */
export function visibleStart(text: string): string {
  return text.trimStart().slice(0, 1);
}

/**
 * Arguments after `"arguments":`. One blank may come first, and anything behind them: both belong to tokens of the
 * model's own. Without `}}` it would rather write one more digit than close, and never go on after a single `}`. Only a
 * comma may not: it would lead to one more member of the call, and a call has none.
 */
export function argumentsGrammar({ argumentsGrammar }: CallableFunction): Grammar {
  return {
    gbnf: `${argumentsGrammar}\nroot-in-tokens ::= " "? root ([^,\\x00] ${ANYTHING})?\n`,
    root: 'root-in-tokens',
  };
}

const ANYTHING = '[^\\x00]*';

/** Arguments between tags. */
export function taggedGrammar({ grammar }: TaggedArguments): Grammar {
  return { gbnf: grammar, root: ROOT };
}

/** A declared name and what ends it. */
export function namesGrammar(plan: CallPlan): Grammar {
  return { gbnf: `root ::= ${nameRule(plan)}`, root: ROOT };
}

/** The names as this plan's family writes them, each with what ends it. */
export function speltNames(plan: CallPlan): readonly { readonly name: string; readonly spelt: string }[] {
  const { nameEnd } = callShape(toolFormat(plan.format ?? 'fenced-json'));
  return plan.functions.map(({ name }) => ({ name, spelt: (nameEnd === '"' ? jsonText(name) : name) + nameEnd }));
}

/**
 * A whole stage: its own grammar, or, where functions may be called instead, the beginning of a call. Behind a JSON text a
 * line may end in the same token: without `}\n` weights that want it would rather go on than write a single `}`.
 */
export function stageGrammar(gbnf: string, { calls, isProse }: Pick<Stage, 'calls' | 'isProse'>): Grammar {
  const call = calls && `${gbnfLiteral(calls.opening)} (${nameRule(calls)})`;
  const options = [isProse ? 'root' : 'root [ \\n]{0,3}', ...(call === undefined ? [] : [call])];
  return { gbnf: `${gbnf}\nroot-of-stage ::= ${options.join(' | ')}\n`, root: 'root-of-stage' };
}

/** A string as it stands between the quotes of a JSON text. */
export function jsonText(text: string): string {
  return JSON.stringify(text).slice(1, -1);
}

function nameRule(plan: CallPlan): string {
  return speltNames(plan)
    .map(({ spelt }) => gbnfLiteral(spelt))
    .join(' | ');
}

function gbnfLiteral(text: string): string {
  const escaped = text.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n').replaceAll('\r', '\\r');
  return `"${escaped}"`;
}
