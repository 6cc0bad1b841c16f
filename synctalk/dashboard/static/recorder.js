// Microphone and camera: opened once, recorded again and again, with a level that tells when it is too loud.

const SOUND = { channelCount: 1, sampleRate: 48000, echoCancellation: false, noiseSuppression: false, autoGainControl: false };
const PICTURE = { width: { ideal: 1280 }, height: { ideal: 720 }, frameRate: { ideal: 30 } };
/** What browsers can write, best first, and the end of a file's name. */
const FORMATS = {
  sound: [["audio/webm;codecs=opus", ".webm"], ["audio/ogg;codecs=opus", ".ogg"], ["audio/mp4", ".m4a"]],
  picture: [["video/webm;codecs=vp8,opus", ".webm"], ["video/webm", ".webm"], ["video/mp4", ".mp4"]],
};
const RATES = { audioBitsPerSecond: 192000, videoBitsPerSecond: 12000000 };
const PIECE_MS = 1000, LOOK_MS = 40, WINDOW = 2048;
/** Peaks of a take, of 1: from here on it is overloaded, below there it is too soft. */
export const TOO_LOUD = 0.99, TOO_SOFT = 0.1;

/** Why nothing can be recorded here; "" when it can. */
export function findObstacle() {
  if (!window.isSecureContext) {
    return "Browsers lend microphone and camera only to pages of this machine or over HTTPS. Open a tunnel (ssh -L 7860:127.0.0.1:7860 HOST), then 127.0.0.1:7860 in this browser.";
  }
  return navigator.mediaDevices?.getUserMedia && window.MediaRecorder ? "" : "This browser cannot record. A current Chromium, Firefox or Safari can.";
}

const REFUSALS = {
  NotAllowedError: "The browser was not allowed to record. Allow it beside the address, then try again.",
  NotFoundError: "There is no microphone, or no camera. Connect one, then try again.",
  NotReadableError: "Another program has the microphone or the camera. End it, then try again.",
};

export class Recorder {
  /** Opens the devices; `tell` gets the peak of the last moment, of 1. */
  static async open({ withPicture, tell }) {
    try {
      return new Recorder(await navigator.mediaDevices.getUserMedia({ audio: SOUND, video: withPicture ? PICTURE : false }), withPicture, tell);
    } catch (error) {
      throw new Error(REFUSALS[error.name] ?? `It cannot be recorded: ${error.message}`);
    }
  }

  constructor(stream, withPicture, tell) {
    this.stream = stream;
    this.tell = tell;
    const kinds = FORMATS[withPicture ? "picture" : "sound"];
    [this.type, this.suffix] = kinds.find(([type]) => MediaRecorder.isTypeSupported(type)) ?? kinds[0];
    this.context = new AudioContext();
    this.analyser = new AnalyserNode(this.context, { fftSize: WINDOW });
    this.context.createMediaStreamSource(stream).connect(this.analyser);
    this.samples = new Float32Array(WINDOW);
    this.timer = setInterval(() => this.look(), LOOK_MS);
  }

  look() {
    this.analyser.getFloatTimeDomainData(this.samples);
    const peak = this.samples.reduce((most, sample) => Math.max(most, Math.abs(sample)), 0);
    this.peak = Math.max(this.peak ?? 0, peak);
    this.tell(peak);
  }

  get isRecording() {
    return this.recorder?.state === "recording";
  }

  get seconds() {
    return this.begun ? (performance.now() - this.begun) / 1000 : 0;
  }

  start() {
    const pieces = [];
    this.recorder = new MediaRecorder(this.stream, { mimeType: this.type, ...RATES });
    this.recorder.addEventListener("dataavailable", (event) => { if (event.data.size) pieces.push(event.data); });
    this.ended = new Promise((resolve) => { this.recorder.addEventListener("stop", () => resolve(new Blob(pieces, { type: this.type.split(";")[0] }))); });
    this.peak = 0;
    this.begun = performance.now();
    this.recorder.start(PIECE_MS);
  }

  /** What was recorded: its file, how long it is and its loudest peak. */
  async stop(name) {
    const seconds = this.seconds;
    if (this.isRecording) this.recorder.stop();
    const blob = await this.ended;
    return { file: new File([blob], name + this.suffix, { type: blob.type, lastModified: Date.now() }), seconds, peak: this.peak };
  }

  close() {
    clearInterval(this.timer);
    if (this.isRecording) this.recorder.stop();
    for (const track of this.stream.getTracks()) track.stop();
    this.context.close();
  }
}
