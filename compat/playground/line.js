// The line of a live session: a WebSocket, or a call by WebRTC. Both are {send, close, closed}; a WebSocket has {unsent}, the
// seconds of sound that the network has not taken yet, and a call has {attach}. An aborted `signal` ends the opening.

import { ApiError, base, call, key } from "./api.js";

const CONNECTING = 20_000; // milliseconds in which a call is connected; Chromium waits for ever at a port that it does not allow
const SECOND = (24_000 * 2 * 4) / 3; // bytes of sound in base64
export const SLOW = 3; // seconds of unsent sound that are shown
export const LOST = 1006; // the close code of a connection without a close frame

const refused = (code) => new ApiError(0, { code, message: "" }); // the server has just answered a request

/** Passes an event on. A key that is refused while a session lasts opens the dialog for another. */
function tell(hear, data) {
  const event = JSON.parse(data);
  hear(event);
  if (event.error?.code === "invalid_api_key") document.dispatchEvent(new Event("unauthorized"));
}

/** Opens the line of a session by `open(secret)`, with a client secret, or with the key itself where the server passes keys on
 *  and issues none. */
export async function dial(path, session, open, signal) {
  let secret;
  try {
    const options = { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify({ session }), signal };
    secret = (await call(path, options)).body.value;
  } catch (error) {
    if (error.code !== "no_client_secrets") throw error;
    return open(key());
  }
  return open(secret);
}

/** Opens a WebSocket. `hear` gets its events. */
export async function socket(path, secret, hear, signal) {
  const opened = new WebSocket(`${base.replace("http", "ws")}${path}`, [
    "realtime",
    `openai-insecure-api-key.${secret}`,
  ]);
  opened.onmessage = ({ data }) => tell(hear, data);
  const { promise: closed, resolve: end } = Promise.withResolvers();
  opened.onclose = end;
  const close = () => (opened.close(), end({ code: 1000, reason: "" })); // without a network, the close is never answered
  try {
    await new Promise((open, failed) => {
      opened.onopen = open;
      opened.onerror = () => failed(refused("no_session"));
      signal.addEventListener("abort", () => failed(signal.reason));
    });
  } catch (error) {
    close();
    throw error;
  }
  const send = (event) => opened.readyState === WebSocket.OPEN && opened.send(JSON.stringify(event));
  return { send, close, closed, unsent: () => Math.floor(opened.bufferedAmount / SECOND) };
}

/** Places a call. `attach(stream)` sends the sound of a stream. */
export async function phone(secret, hear, signal) {
  const connection = new RTCPeerConnection();
  const { promise: closed, resolve: end } = Promise.withResolvers();
  const close = (code = 1000) => (connection.close(), end({ code, reason: "" }));
  try {
    const { sender } = connection.addTransceiver("audio", { direction: "sendonly" });
    const channel = connection.createDataChannel("oai-events");
    channel.onmessage = ({ data }) => tell(hear, data);
    channel.onclose = () => close();
    await connection.setLocalDescription(await connection.createOffer());
    const headers = { authorization: `Bearer ${secret}`, "content-type": "application/sdp" };
    const { text } = await call("/realtime/calls", { method: "POST", headers, body: connection.localDescription.sdp, signal });
    await connection.setRemoteDescription({ type: "answer", sdp: text });
    await new Promise((open, failed) => {
      const giveUp = () => (failed(refused("no_call")), close(LOST));
      const late = setTimeout(giveUp, CONNECTING);
      channel.onopen = () => (clearTimeout(late), open());
      signal.addEventListener("abort", () => failed(signal.reason));
      connection.onconnectionstatechange = () => connection.connectionState === "failed" && giveUp();
    });
    const send = (event) => channel.readyState === "open" && channel.send(JSON.stringify(event));
    return { send, close, closed, attach: (stream) => sender.replaceTrack(stream.getAudioTracks()[0]) };
  } catch (error) {
    close();
    throw error;
  }
}
