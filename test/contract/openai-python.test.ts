/** The official OpenAI SDK for Python against the whole server on the scripted backend. */
import { describePython } from '../support/python.ts';

await describePython('openai_chat.py', 25);
