/** What weights are told of functions and requests, where it is measured how well they fit. */
import type { FunctionTool } from '../../core/generation.ts';
import { isJsonObject } from './constraints/schema-part.ts';
import { parametersOf } from './tool-prompt.ts';

const MAX_DESCRIPTION_CHARACTERS = 200;

export interface ToldFunction {
  /** `name: Beginning of its description` */
  readonly told: string;
  readonly parameters: string;
}

export function toldOf(tool: FunctionTool): ToldFunction {
  const { properties } = parametersOf(tool);
  const parameters = isJsonObject(properties) ? Object.keys(properties).join(', ') : '';
  const description = oneLine(tool.description ?? '').slice(0, MAX_DESCRIPTION_CHARACTERS);
  return { told: `${tool.name}: ${description.toWellFormed()}`, parameters: parameters || 'none' };
}

/** A text by its beginning and its end. */
export function cutText(text: string, maxCharacters: number): string {
  if (text.length <= maxCharacters) return text;
  const half = maxCharacters / 2;
  return `${text.slice(0, half).toWellFormed()} … ${text.slice(-half).toWellFormed()}`;
}

export function oneLine(text: string): string {
  return text.replace(/\s+/g, ' ').trim();
}
