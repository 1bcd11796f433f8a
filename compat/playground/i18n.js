// The page's words in English and Chinese. Elements say which they want: data-i18n, data-i18n-label, data-i18n-hint.

import { forBrowser } from "./api.js";

const WORDS = {
  en: {
    skip: "Skip to the page", tagline: "Speech to text over OpenAI's audio API",
    key: "API key", keyLabel: "Key of this server", keyNote: "Kept in this tab only and sent to this server only. Not needed where the server asks for none.",
    theme: "Light or dark", ways: "Ways to try it", tabFile: "File", tabLive: "Microphone",
    choose: "Choose a file", orDrop: "or drop it here", firstOnly: "One file at a time: the first was taken", anySound: "Any sound or video that FFmpeg reads", record: "Record",
    stopRecord: "Stop recording", recording: "Recording", wanted: "What you want",
    modeTimes: "Times and subtitles", modeStream: "Words as they come", modeSpeakers: "Who said what",
    model: "Model", spoken: "Spoken language", auto: "detected",
    lineWidth: "Subtitles: columns per line", lineCount: "Lines per subtitle", lineWords: "Words per line", unlimited: "any number", go: "Transcribe", cancel: "Cancel",
    uploading: "Uploading", listening: "Transcribing", job: "A long file: running in the background. You may reload this page.",
    play: "Play", pause: "Pause", wave: "Waveform of the recording; its segments are listed below",
    transcript: "Transcript", download: "Download", copy: "Copy", copied: "Copied", done: "Done",
    start: "Start", stop: "Stop", level: "Level of the microphone", captions: "Captions",
    empty: "Press Start and speak: settled words are dark, tentative ones light.",
    first: "first words", settled: "settled", ms: "ms", speaker: "Speaker",
    silent: "No speech was heard.", demo: "This server has no DashScope key: a demo engine on its machine answers, in English only. The language below has no effect.",
    serviceTagline: "OpenAI's audio API, answered by Qwen on Alibaba Model Studio",
    demoTagline: "OpenAI's audio API, answered by a demo engine on this machine",
    code: "The code for this", codeNote: "What you tried is what you paste. It works with OpenAI's own packages, unchanged but for the address.",
    todo: {
      invalid_api_key: "Enter a key under “API key” above: one of those this server was given in COMPAT_API_KEYS.",
      permission_denied: "The account or this server's settings do not allow it; the operator can change that.",
      model_not_found: "Choose one of the models offered in the list, or clear the field.",
      invalid_audio: "Try another file, or convert this one to WAV or MP3 first.",
      request_too_large: "The file is larger than this server takes (COMPAT_MAX_UPLOAD). Compress or cut it.",
      rate_limit_exceeded: "Too many requests at once: wait a moment and try again.",
      insufficient_quota: "The DashScope account has no balance or free quota left: top it up in the Model Studio console.",
      content_policy_violation: "DashScope's content check refused this recording.",
      upstream_timeout: "DashScope took too long: try again, or ask for less audio at once.",
      upstream_error: "DashScope failed: try again. If it stays, run qwen-asr-compat doctor on the server.",
      service_unavailable: "DashScope cannot be reached or is busy: try again in a moment.",
      network: "The server did not answer: is it still running, and is this page's address its own?",
      session_ended: "The server ended the session: wait a moment, then press Start.",
      file_changed: "The file has been changed, moved or removed since you chose it: choose it again.",
      no_microphone: "Connect a microphone, or close the program that uses it.",
      microphone: "Allow this page to use the microphone; browsers offer it on https and on localhost only.",
      other: "The message says what is wrong; the server's log has more under the request's id.",
    },
  },
  zh: {
    skip: "跳到正文", tagline: "OpenAI 音频接口的语音转写",
    key: "API 密钥", keyLabel: "本服务的密钥", keyNote: "只保存在此标签页，只发往本服务。服务不要求密钥时不必填写。",
    theme: "浅色或深色", ways: "试用方式", tabFile: "文件", tabLive: "麦克风",
    choose: "选择文件", orDrop: "或拖到这里", firstOnly: "一次只处理一个文件，已选第一个", anySound: "FFmpeg 能读的音频和视频都可以", record: "录音",
    stopRecord: "停止录音", recording: "录音", wanted: "想要什么",
    modeTimes: "时间与字幕", modeStream: "边识别边显示", modeSpeakers: "区分说话人",
    model: "模型", spoken: "语言", auto: "自动检测",
    lineWidth: "字幕每行列数（汉字占两列）", lineCount: "每条字幕行数", lineWords: "字幕每行词数", unlimited: "不限", go: "转写", cancel: "取消",
    uploading: "上传中", listening: "识别中", job: "长文件：在后台处理，可以刷新本页。",
    play: "播放", pause: "暂停", wave: "录音波形；各段列在下面",
    transcript: "转写文本", download: "下载", copy: "复制", copied: "已复制", done: "完成",
    start: "开始", stop: "停止", level: "麦克风音量", captions: "字幕",
    empty: "点“开始”后说话：已确定的字为深色，暂定的为浅色。",
    first: "首字", settled: "定稿", ms: "毫秒", speaker: "说话人",
    silent: "没有听到语音。", demo: "本服务没有 DashScope 密钥，由本机的演示引擎应答，只识别英语；下面的“语言”不起作用。",
    serviceTagline: "OpenAI 音频接口，由阿里云百炼通义千问应答",
    demoTagline: "OpenAI 音频接口，由本机的演示引擎应答",
    code: "对应的代码", codeNote: "所试即所得。OpenAI 官方 SDK 只需换地址，其余不变。",
    todo: {
      invalid_api_key: "请在上方“API 密钥”中填写 COMPAT_API_KEYS 里的一个密钥。",
      permission_denied: "账号或服务设置不允许；请联系服务管理员。",
      model_not_found: "请从列表中选一个模型，或清空此栏。",
      invalid_audio: "请换一个文件，或先转成 WAV、MP3。",
      request_too_large: "文件超过本服务上限（COMPAT_MAX_UPLOAD）。请压缩或切分。",
      rate_limit_exceeded: "同时请求过多：请稍候再试。",
      insufficient_quota: "DashScope 账号余额或免费额度已用完：请到百炼控制台充值。",
      content_policy_violation: "DashScope 内容审核拒绝了这段录音。",
      upstream_timeout: "DashScope 超时：请重试，或缩短音频。",
      upstream_error: "DashScope 出错：请重试。若持续，请在服务器上运行 qwen-asr-compat doctor。",
      service_unavailable: "DashScope 无法连接或繁忙：请稍后再试。",
      network: "服务没有应答：它还在运行吗？地址对吗？",
      session_ended: "服务结束了会话：请稍候，再点“开始”。",
      file_changed: "选择之后，文件已被修改、移动或删除：请重新选择。",
      no_microphone: "请连接麦克风，或关闭正在使用它的程序。",
      microphone: "请允许本页使用麦克风；浏览器只在 https 和 localhost 下提供。",
      other: "错误信息说明了原因；服务日志中按请求编号可查更多。",
    },
  },
};

let tongue = forBrowser.getItem("language") ?? (navigator.language.toLowerCase().startsWith("zh") ? "zh" : "en");

export const say = (name) => WORDS[tongue][name];

export const todo = (code) => WORDS[tongue].todo[code] ?? WORDS[tongue].todo.other;

export function put() {
  document.documentElement.lang = tongue === "zh" ? "zh-CN" : "en";
  for (const node of document.querySelectorAll("[data-i18n]")) node.textContent = say(node.dataset.i18n);
  for (const node of document.querySelectorAll("[data-i18n-label]")) node.ariaLabel = say(node.dataset.i18nLabel);
  for (const node of document.querySelectorAll("[data-i18n-hint]")) node.placeholder = say(node.dataset.i18nHint);
  document.getElementById("captions").dataset.empty = say("empty");
  document.getElementById("language").textContent = tongue === "zh" ? "English" : "中文";
}

export function toggle() {
  tongue = tongue === "zh" ? "en" : "zh";
  forBrowser.setItem("language", tongue);
  put();
}
