// A server that gives what one client says to all: `node realtime.js ws|socket.io`. It prints its address and its process.

import { createServer } from "node:http";

const LISTEN = { host: "127.0.0.1", port: 0 };

/** The shortest that each library's own documentation shows for a broadcast. */
const PEERS = {
  async ws(server) {
    const { WebSocketServer, WebSocket } = await import("ws");
    const sockets = new WebSocketServer({ server, perMessageDeflate: false });
    sockets.on("connection", (socket) => {
      socket.on("message", (text) => {
        for (const client of sockets.clients) if (client.readyState === WebSocket.OPEN) client.send(text, { binary: false });
      });
    });
  },
  async "socket.io"(server) {
    const { Server } = await import("socket.io");
    const io = new Server(server, { transports: ["websocket"], perMessageDeflate: false });
    io.on("connection", (socket) => {
      socket.on("say", (text) => io.emit("said", text));
    });
  },
};

const server = createServer();
await PEERS[process.argv[2]](server);
server.listen(LISTEN, () => console.log(`listening 127.0.0.1:${server.address().port} ${process.pid}`));
// Whoever started this holds its input open.
process.stdin.resume().on("end", () => process.exit(0));
