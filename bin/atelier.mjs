#!/usr/bin/env node
import { launchCli } from '../scripts/setup.mjs';

await launchCli(process.argv.slice(2));
