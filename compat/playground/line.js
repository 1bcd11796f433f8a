// The line of a live session: a WebSocket, or a call by WebRTC. Both are {send, close, closed}, and a call has {attach}.

import { ApiError, base, call, key } from "./api.js";

export const LOST = 1006; // the close code of a connection without a close frame

const network = (message) => new ApiError(0, { code: "network", message });

/** What opens a line for a session: a client secret, or the key itself where the server passes keys on and issues none. */
export async function credential(path, session) {
  try {
    const options = { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify({ session }) };
    return (await call(path, options)).body.value;
  } catch (error) {
    if (error.status === 403 && key()) return key();
    throw error;
  }
}

/** Opens a WebSocket. `hear` gets its events. */
export async function socket(path, secret, hear) {
  const opened = new WebSocket(`${base.replace("http", "ws")}${path}`, [
    "realtime",
    `openai-insecure-api-key.${secret}`,
  ]);
  opened.onmessage = ({ data }) => hear(JSON.parse(data));
  const closed = new Promise((resolve) => (opened.onclose = resolve));
  await new Promise((open, failed) => {
    opened.onopen = open;
    opened.onerror = () => failed(network("WebSocket"));
  });
  const send = (event) => opened.readyState === WebSocket.OPEN && opened.send(JSON.stringify(event));
  return { send, close: () => opened.close(), closed };
}

/** Places a call. `attach(stream)` sends the sound of a stream. */
export async function phone(secret, hear) {
  const connection = new RTCPeerConnection();
  const { promise: closed, resolve: end } = Promise.withResolvers();
  const close = (code = 1000) => (connection.close(), end({ code, reason: "" }));
  try {
    const { sender } = connection.addTransceiver("audio", { direction: "sendonly" });
    const channel = connection.createDataChannel("oai-events");
    channel.onmessage = ({ data }) => hear(JSON.parse(data));
    channel.onclose = () => close();
    await connection.setLocalDescription(await connection.createOffer());
    const headers = { authorization: `Bearer ${secret}`, "content-type": "application/sdp" };
    const { text } = await call("/realtime/calls", { method: "POST", headers, body: connection.localDescription.sdp });
    await connection.setRemoteDescription({ type: "answer", sdp: text });
    await new Promise((open, failed) => {
      channel.onopen = open;
      connection.onconnectionstatechange = () => {
        if (connection.connectionState !== "failed") return;
        failed(network("WebRTC"));
        close(LOST);
      };
    });
    const send = (event) => channel.readyState === "open" && channel.send(JSON.stringify(event));
    return { send, close, closed, attach: (stream) => sender.replaceTrack(stream.getAudioTracks()[0]) };
  } catch (error) {
    close();
    throw error;
  }
}
