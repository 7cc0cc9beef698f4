// A conveyor of the node-wot project, over HTTP and MQTT. Arguments: HTTP port, broker's URI. Says `ready` and its description.
const { Servient } = require("@node-wot/core");
const { HttpServer } = require("@node-wot/binding-http");
const { MqttBrokerServer } = require("@node-wot/binding-mqtt");
const [port, broker] = process.argv.slice(2);
(async () => {
  const servient = new Servient();
  servient.addServer(new HttpServer({ port: Number(port), address: "127.0.0.1" }));
  servient.addServer(new MqttBrokerServer({ uri: broker }));
  const wot = await servient.start();
  let speed = 0, state = "idle";
  const thing = await wot.produce({
    title: "conveyor", id: "urn:dev:conveyor:1",
    securityDefinitions: { nosec_sc: { scheme: "nosec" } }, security: "nosec_sc",
    properties: {
      speed: { type: "number", unit: "m/s", minimum: 0, maximum: 3, observable: true },
      state: { type: "string", readOnly: true, observable: true },
      // Its description is wider than what it takes: it refuses with HTTP 500 and keeps its value.
      gap: { type: "number" },
    },
    actions: { stop: { output: { type: "string" } }, start: { input: { type: "number" } } },
    events: { jam: { data: { type: "string" } } },
  });
  thing.setPropertyReadHandler("speed", async () => speed);
  thing.setPropertyWriteHandler("speed", async (v) => { speed = await v.value(); thing.emitPropertyChange("speed"); });
  thing.setPropertyReadHandler("state", async () => state);
  thing.setPropertyReadHandler("gap", async () => 1);
  thing.setPropertyWriteHandler("gap", async () => { throw new Error("out of range"); });
  thing.setActionHandler("stop", async () => { speed = 0; state = "stopped"; thing.emitEvent("jam", "stopped-by-action"); return "ok"; });
  thing.setActionHandler("start", async (p) => { speed = p ? await p.value() : 1; state = "running"; return undefined; });
  await thing.expose();
  console.log("ready " + JSON.stringify(thing.getThingDescription()));
})().catch((error) => { console.error(error); process.exit(1); });
