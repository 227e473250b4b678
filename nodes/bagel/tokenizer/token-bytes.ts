// The bytes behind the letters of a byte-level vocabulary. GPT-2 gave every byte a printable character, so that no token holds a space or a control.
// Knows that table only. Source: bytes_to_unicode in the GPT-2 encoder.

/** Byte → character: printable Latin-1 stands for itself, the other bytes take U+0100 and on, in order. */
function characterOfByte(): string[] {
  const isPrintable = (byte: number) => (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte <= 0xac) || byte >= 0xae;
  let next = 0x100;
  return Array.from({ length: 256 }, (_, byte) => String.fromCharCode(isPrintable(byte) ? byte : next++));
}

const byteOfCharacter = new Map(characterOfByte().map((character, byte) => [character, byte]));
const utf8 = new TextEncoder();

/** The bytes a token of the vocabulary stands for. A token outside the table stands for its own UTF-8. */
export function tokenBytes(token: string): Uint8Array {
  const bytes = Array.from(token, (character) => byteOfCharacter.get(character));
  return bytes.includes(undefined) ? utf8.encode(token) : Uint8Array.from(bytes as number[]);
}
