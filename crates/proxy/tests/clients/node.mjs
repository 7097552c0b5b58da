// The npm package toxiproxy-node-client, unmodified, through everything it offers.
//   node node.mjs API UPSTREAM          (the package must be in ./node_modules)
import assert from "node:assert/strict";
import net from "node:net";
import client from "toxiproxy-node-client";

const { Toxiproxy } = client;
const [api, upstream] = process.argv.slice(2);
const toxiproxy = new Toxiproxy(api);

function roundTrip(listen) {
  const [host, port] = listen.split(":");
  return new Promise((resolve, reject) => {
    const begin = performance.now();
    const socket = net.connect({ host, port: Number(port) }, () => socket.write("ping"));
    socket.on("error", reject);
    socket.on("data", () => {
      socket.destroy();
      resolve(performance.now() - begin);
    });
  });
}

assert.match(await toxiproxy.getVersion(), /\d+\.\d+\.\d+/);
const proxy = await toxiproxy.createProxy({ name: "node", listen: "localhost:0", upstream });
assert.match(proxy.listen, /^127\.0\.0\.1:\d+$/);
await roundTrip(proxy.listen);
await assert.rejects(toxiproxy.createProxy({ name: "node", listen: "localhost:0", upstream }), /409/);
await assert.rejects(toxiproxy.get("none"), /404/);

for (const [type, attributes] of Object.entries({
  latency: { latency: 30, jitter: 0 },
  bandwidth: { rate: 1000 },
  slow_close: { delay: 1 },
  timeout: { timeout: 1000 },
  slicer: { average_size: 2, size_variation: 1, delay: 10 },
  limit_data: { bytes: 1000 },
  reset_peer: { timeout: 1000 },
})) {
  const toxic = await proxy.addToxic({ name: `t_${type}`, type, stream: "upstream", toxicity: 0.5, attributes });
  assert.deepEqual({ ...toxic.attributes }, attributes, type);
  assert.equal(toxic.toxicity, 0.5);
  const updated = await toxic.update({ toxicity: 0.25, attributes });
  assert.equal(updated.toxicity, 0.25);
  assert.equal((await proxy.getToxic(toxic.name)).toxicity, 0.25);
  await toxic.remove();
}
await proxy.addToxic({ name: "slow", type: "latency", stream: "downstream", toxicity: 1, attributes: { latency: 60, jitter: 0 } });
assert.ok((await roundTrip(proxy.listen)) >= 60);
const off = await proxy.update({ enabled: false, listen: proxy.listen, upstream });
assert.equal(off.enabled, false);
await assert.rejects(roundTrip(proxy.listen));
await toxiproxy.reset();
await roundTrip(proxy.listen);
assert.equal((await toxiproxy.get("node")).enabled, true);

const populated = await toxiproxy.populate([{ name: "a", listen: "localhost:0", upstream }, { name: "b", listen: "localhost:0", upstream }]);
assert.deepEqual(Object.keys(populated).sort(), ["a", "b"]);
assert.deepEqual(Object.keys(await toxiproxy.populate([])), []);
assert.deepEqual(Object.keys(await toxiproxy.getAll()), ["a", "b", "node"]);
for (const each of Object.values(await toxiproxy.getAll())) await each.remove();
assert.deepEqual(await toxiproxy.getAll(), {});
