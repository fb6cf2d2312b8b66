// Takes the WebAssembly of meshoptimizer's decoder and encoder out of its npm package, where each is packed in a string
// that its own loader unpacks: node scripts/meshopt_wasm.mjs PACKAGE FOLDER. `make meshopt` calls it.
import { copyFileSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const [from, to] = process.argv.slice(2);

// Each letter is a number below 64: below 60 a place in the loader's table of frequent bytes, else the upper bits
// of a byte whose lower six follow.
function unpacked(file, name) {
  const text = readFileSync(join(from, file), 'utf8');
  const letters = new RegExp(`var ${name} =\\s*'([^']+)'`).exec(text)[1];
  const table = /wasmpack = new Uint8Array\(\[([\d,\s]+)\]\)/.exec(text)[1].split(',').map(Number);
  const codes = Array.from(letters, (letter) => {
    const code = letter.charCodeAt(0);
    return code > 96 ? code - 97 : code > 64 ? code - 39 : code + 4;
  });
  const bytes = [];
  for (let i = 0; i < codes.length; i++) {
    bytes.push(codes[i] < 60 ? table[codes[i]] : (codes[i] - 60) * 64 + codes[++i]);
  }
  return Uint8Array.from(bytes);
}

// The decoder without vector instructions: they are not on every processor, and its results are the same.
writeFileSync(join(to, 'decoder.wasm'), unpacked('meshopt_decoder.mjs', 'wasm_base'));
writeFileSync(join(to, 'encoder.wasm'), unpacked('meshopt_encoder.js', 'wasm'));
copyFileSync(join(from, 'LICENSE.md'), join(to, 'LICENSE.md'));
