// npm's redis-memory-server with a server of our own: node check_memory_server.mjs BINARY
// Exits with 0 when everything is as it should be.
import assert from "node:assert/strict";
import { createClient } from "redis";
import memory from "redis-memory-server";

const { RedisMemoryServer } = memory;
const binary = { systemBinary: process.argv[2] };

const server = new RedisMemoryServer({ binary });
const client = createClient({ socket: { host: await server.getHost(), port: await server.getPort() } });
await client.connect();
assert.equal(await client.set("key", "value"), "OK");
assert.equal(await client.get("key"), "value");

// A second one beside it, on a port of its own and with arguments.
const other = new RedisMemoryServer({ binary, instance: { args: ["--requirepass", "secret"] } });
const url = `redis://:secret@${await other.getHost()}:${await other.getPort()}`;
assert.notEqual(await other.getPort(), await server.getPort());
const second = createClient({ url });
await second.connect();
assert.equal(await second.get("key"), null);

await client.close();
await second.close();
assert.equal(await server.stop(), true);
assert.equal(await other.stop(), true);
console.log("all as expected");
