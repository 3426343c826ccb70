/** The vendor's own SDK for Python against the whole server on the scripted backend. */
import { describePython } from '../support/python.ts';

await describePython('dashscope_native.py', 45);
await describePython('dashscope_sockets.py', 14);
