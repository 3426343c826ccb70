/** The official Anthropic SDK for Python against the whole server on the scripted backend. */
import { describePython } from '../support/python.ts';

await describePython('anthropic_messages.py', 20);
