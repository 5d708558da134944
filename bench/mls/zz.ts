import { nodeProvider } from "@tacit/mls/providers/node";
import { measureOurs } from "./ours.ts";
import { tsMlsMeasures } from "./tsMls.ts";
let pm: any[]=[];
const r = await measureOurs({newProvider:()=>nodeProvider(), runtime:"Node", suites:[1,0xf0a2], sizes: process.argv.slice(2).map(Number), now: BigInt(Math.floor(Date.now()/1000)), progress: console.error, rounds:9, slot:8, peers: async(g,c)=>{pm=await tsMlsMeasures(g,c,console.error); return pm.map(x=>x.measure)}});
for(const x of r.rows) console.log(x.suite, x.size, x.operation.padEnd(14), x.ms.toFixed(3), x.floorMs!.toFixed(3), (x.ms/x.floorMs!).toFixed(2), x.bytes);
for(const x of pm) console.log(x.library, x.size, x.operation.padEnd(14), r.peers.get(x.measure.key)?.toFixed(3), x.bytes);
console.log(r.primitives);
