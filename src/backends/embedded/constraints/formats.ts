/**
 * Formats of JSON Schema Validation, 7.3, as patterns of the texts we generate: always valid, not always all that is
 * valid (no leap seconds, no quoted mail boxes, no international names). Any other name is an annotation, as 7.1 says.
 */
import type { Automaton } from './automaton.ts';
import { automatonOfPattern } from './pattern.ts';

const DAY_31 = '(0[13578]|1[02])-(0[1-9]|[12][0-9]|3[01])';
const DAY_30 = '(0[469]|11)-(0[1-9]|[12][0-9]|30)';
const LEAP_YEAR = '([0-9]{2}(0[48]|[2468][048]|[13579][26])|(0[48]|[2468][048]|[13579][26])00)';
const DATE = `([0-9]{4}-(${DAY_31}|${DAY_30}|02-(0[1-9]|1[0-9]|2[0-8]))|${LEAP_YEAR}-02-29)`;
const CLOCK = '([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](\\.[0-9]{1,9})?';
const TIME = `${CLOCK}(Z|[+-]([01][0-9]|2[0-3]):[0-5][0-9])`;
const DURATION_TIME = 'T([0-9]{1,9}H([0-9]{1,9}M([0-9]{1,9}S)?)?|[0-9]{1,9}M([0-9]{1,9}S)?|[0-9]{1,9}S)';
const DURATION_DATE = '([0-9]{1,9}Y([0-9]{1,9}M([0-9]{1,9}D)?)?|[0-9]{1,9}M([0-9]{1,9}D)?|[0-9]{1,9}D)';
/*
 * Where a text cannot end yet, nothing may go on for ever: a small model that has to reach an `@` writes digits until its
 * limit instead. Hence bounds on everything that has to be followed by something.
 */
/** Hyphens singly, so that no label reads as an encoded one. */
const LABEL = '[A-Za-z0-9]{1,16}(-[A-Za-z0-9]{1,6})?';
/** A letter first in the last label, so that no name reads as an address. */
const TOP_LABEL = '[A-Za-z][A-Za-z0-9]{0,11}';
/** At most 61 characters: no validator's bound of 63 is reached. */
const HOSTNAME = `(${LABEL}\\.){0,2}${TOP_LABEL}`;
const DOMAIN = `(${LABEL}\\.){1,2}${TOP_LABEL}`;
const ATOM = "[A-Za-z0-9_+'-]{1,20}";
const MAIL_BOX = `${ATOM}(\\.${ATOM})?`;
const BYTE = '(25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])';
const IPV4 = `${BYTE}(\\.${BYTE}){3}`;
const GROUP = '[0-9A-Fa-f]{1,4}';
/** Eight groups, or a `::` for at least one group that is left out. */
const IPV6 = [
  `(${GROUP}:){7}${GROUP}`,
  `::(${GROUP}(:${GROUP}){0,6})?`,
  ...[1, 2, 3, 4, 5, 6, 7].map(
    (before) => `${GROUP}(:${GROUP}){${before - 1}}::${before === 7 ? '' : `(${GROUP}(:${GROUP}){0,${6 - before}})?`}`,
  ),
].join('|');
/** Without the apostrophe, which the validator's pattern for templates does not know. */
const URI_CHARACTER = '([A-Za-z0-9._~!$&()*+,;=:@-]|%[0-9A-Fa-f]{2})';
const URI_REST = `(/${URI_CHARACTER}*)*(\\?(${URI_CHARACTER}|[/?])*)?(#(${URI_CHARACTER}|[/?])*)?`;
const URI = `((https?|ftps?|wss?)://${HOSTNAME}(:[1-9][0-9]{0,3})?${URI_REST}|file://(/${URI_CHARACTER}+)+|mailto:[A-Za-z0-9_+-]{1,20}(\\.[A-Za-z0-9_+-]{1,20})?@${DOMAIN}|urn:[a-z][a-z0-9]{1,30}:[A-Za-z0-9._:-]+)`;
const POINTER = '(/([^/~]|~[01])*)*';

interface Format {
  readonly pattern: string;
}

const FORMATS: Readonly<Record<string, Format>> = {
  date: { pattern: DATE },
  time: { pattern: TIME },
  'date-time': { pattern: `${DATE}T${TIME}` },
  duration: { pattern: `P(${DURATION_DATE}(${DURATION_TIME})?|${DURATION_TIME}|[0-9]{1,9}W)` },
  uuid: { pattern: '[0-9A-Fa-f]{8}-([0-9A-Fa-f]{4}-){3}[0-9A-Fa-f]{12}' },
  email: { pattern: `${MAIL_BOX}@${DOMAIN}` },
  'idn-email': { pattern: `${MAIL_BOX}@${DOMAIN}` },
  hostname: { pattern: HOSTNAME },
  'idn-hostname': { pattern: HOSTNAME },
  ipv4: { pattern: IPV4 },
  ipv6: { pattern: IPV6 },
  uri: { pattern: URI },
  'uri-reference': { pattern: `${URI}|/?${URI_CHARACTER.replace(':', '')}+${URI_REST}` },
  iri: { pattern: URI },
  'iri-reference': { pattern: URI },
  'uri-template': { pattern: `${URI}(\\{[A-Za-z0-9_]+\\})?` },
  'json-pointer': { pattern: POINTER },
  'relative-json-pointer': { pattern: `(0|[1-9][0-9]{0,8})(#|${POINTER})` },
  regex: { pattern: '\\^?([A-Za-z0-9 _,;:@/-]|\\\\[dws]|\\[(a-z|A-Z|0-9|A-Za-z)\\])*\\$?' },
};

const automata = new Map<string, Automaton>();

/** The texts we write for a format, or undefined for a name that is only an annotation. */
export function automatonOfFormat(name: string): Automaton | undefined {
  const format = Object.hasOwn(FORMATS, name) ? FORMATS[name] : undefined;
  if (format === undefined) return undefined;
  const known = automata.get(name);
  if (known !== undefined) return known;
  const automaton = automatonOfPattern(`^(?:${format.pattern})$`);
  automata.set(name, automaton);
  return automaton;
}

/** The names held by `automatonOfFormat`. */
export const HELD_FORMATS: readonly string[] = Object.keys(FORMATS);
