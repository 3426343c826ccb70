/** The grammars decoding is held to: those of the plan, and what the child puts around them. */
import type { CallableFunction, CallPlan } from '../engine-protocol.ts';
import type { Grammar } from './binding.ts';

const ROOT = 'root';

/** Between two calls of an array. */
export const ARRAY_GRAMMAR: Grammar = { gbnf: 'root ::= "]" | ","', root: ROOT };

/**
 * Arguments after `"arguments":`. One blank may come first: it belongs to the model's own token, and forced apart it
 * would make the model write ` ` and `{` unlike itself.
 */
export function argumentsGrammar({ argumentsGrammar }: CallableFunction): Grammar {
  return { gbnf: `${argumentsGrammar}\nroot-after-blank ::= " "? root\n`, root: 'root-after-blank' };
}

/** A declared name and the quote that closes it. */
export function namesGrammar(plan: CallPlan): Grammar {
  return { gbnf: `root ::= ${nameRule(plan)}`, root: ROOT };
}

/** A whole stage: its own grammar, or, where functions may be called instead, the beginning of a call. */
export function stageGrammar(gbnf: string, calls: CallPlan | undefined): Grammar {
  if (calls === undefined) return { gbnf, root: ROOT };
  const call = `${gbnfLiteral(calls.opening)} (${nameRule(calls)})`;
  return { gbnf: `${gbnf}\nroot-or-call ::= root | ${call}\n`, root: 'root-or-call' };
}

/** A string as it stands between the quotes of a JSON text. */
export function jsonText(text: string): string {
  return JSON.stringify(text).slice(1, -1);
}

function nameRule({ functions }: CallPlan): string {
  return functions.map(({ name }) => gbnfLiteral(`${jsonText(name)}"`)).join(' | ');
}

function gbnfLiteral(text: string): string {
  const escaped = text.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n').replaceAll('\r', '\\r');
  return `"${escaped}"`;
}
