/** Arguments as they are decoded, whatever their spelling, and the JSON text they give. */
import type { TaggedInput } from '../../parsers/tagged-input.ts';
import { JsonPosition } from './json-position.ts';
import type { OptionalArguments } from './optional-arguments.ts';

export interface ArgumentsReader {
  push(text: string): ReadArguments;
  /** What is held back and can be told when a limit cuts them. */
  cut(): string;
  readonly position: JsonPosition | undefined;
}

export interface ReadArguments {
  readonly json: string;
  readonly isWhole: boolean;
  /** What stands behind them. */
  readonly rest: string;
  /** All of the text belongs to a member that may still be left out. */
  readonly isHidden: boolean;
  /** A member has just been left out. */
  readonly isLeftOut: boolean;
}

export function jsonReader(optional: OptionalArguments | undefined): ArgumentsReader {
  const position = new JsonPosition();
  let isFirst = true;
  return {
    position,
    push: (text) => {
      const visible = isFirst ? text.trimStart() : text;
      if (visible !== '') isFirst = false;
      const length = position.push(visible);
      const json = visible.slice(0, length);
      const wasHolding = optional?.isHolding === true;
      const { shown, isLeftOut } = optional?.push(json) ?? { shown: json, isLeftOut: false };
      const isHidden = wasHolding && optional?.isHolding === true && shown === '' && !isLeftOut;
      return { json: shown, isWhole: position.isWhole, rest: visible.slice(length), isHidden, isLeftOut };
    },
    cut: () => optional?.flush() ?? '',
  };
}

export function taggedReader(input: TaggedInput): ArgumentsReader {
  return {
    position: undefined,
    push: (text) => {
      const { json, isComplete, rest } = input.push(text);
      return { json, isWhole: isComplete, rest, isHidden: false, isLeftOut: false };
    },
    cut: () => input.end(true),
  };
}
