// JSON without loss: 5 stays apart from 5.0, 64-bit integers survive, and keys keep the order they were written in.
// Pure and browser-safe.

/** An integer is a bigint, a number with a point or exponent a number. Objects are Maps, for their order. */
export type Json = null | boolean | string | number | bigint | readonly Json[] | JsonObject;
export type JsonObject = ReadonlyMap<string, Json>;
