/* A camera that gives images to a form, about five a second: as long as a button is held, or all the time that it is
   on (`data-live`: then the form gets the newest one only). What it shows is mirrored, what it gives is not. */
"use strict";
(() => {
  const EVERY = 200; // milliseconds
  const SIDE = 320; // pixels of the shorter side of what is given

  function start(box) {
    const part = (name) => box.querySelector(`[data-${name}]`);
    const [video, hold, choice, onOff] = ["video", "hold", "cameras", "start"].map(part);
    const form = document.getElementById(box.dataset.webcam);
    const live = box.dataset.live !== undefined;
    const canvas = document.createElement("canvas");
    let stream = null;
    let timer = null;
    let number = 0;
    let turn = 0; // goes up whenever the camera is turned on or off: what was asked for before is not wanted then

    const say = (what) => (part("said").textContent = box.dataset[what]);

    const stop = (given) => given?.getTracks().forEach((track) => track.stop());

    function off() {
      turn += 1;
      end();
      stop(stream);
      stream = video.srcObject = null;
      box.classList.remove("on");
      hold?.setAttribute("disabled", "");
    }

    async function on() {
      off();
      if (!navigator.mediaDevices?.getUserMedia) return say("insecure");
      say("asking");
      const mine = turn;
      try {
        const wanted = choice.value ? { deviceId: { exact: choice.value } } : { facingMode: "user" };
        const given = await navigator.mediaDevices.getUserMedia({ video: wanted, audio: false });
        if (mine !== turn) return stop(given);
        stream = video.srcObject = given;
        await video.play();
      } catch (error) {
        if (mine !== turn) return;
        off();
        return say({ NotAllowedError: "denied", NotFoundError: "none", OverconstrainedError: "none" }[error.name] ?? "busy");
      }
      if (mine !== turn) return;
      stream.getVideoTracks()[0].addEventListener("ended", () => (off(), say("busy")));
      box.classList.add("on");
      hold?.removeAttribute("disabled");
      say("ready");
      await list();
      if (live) begin();
    }

    async function list() {
      const present = stream.getVideoTracks()[0].getSettings().deviceId;
      const cameras = (await navigator.mediaDevices.enumerateDevices()).filter((device) => device.kind === "videoinput");
      choice.replaceChildren(...cameras.map((device, index) =>
        new Option(device.label || `${index + 1}`, device.deviceId, false, device.deviceId === present)));
      choice.disabled = cameras.length < 2;
    }

    function give() {
      const { videoWidth: width, videoHeight: height } = video;
      if (!width) return;
      const scale = Math.min(1, SIDE / Math.min(width, height));
      canvas.width = Math.round(width * scale);
      canvas.height = Math.round(height * scale);
      canvas.getContext("2d").drawImage(video, 0, 0, canvas.width, canvas.height);
      canvas.toBlob((blob) => {
        if (live && timer === null) return; // ended meanwhile
        const file = new File([blob], `camera-${++number}.jpg`, { type: "image/jpeg" });
        form.dispatchEvent(new CustomEvent("give", { bubbles: true, detail: { files: [file], latest: live, source: box } }));
      }, "image/jpeg", 0.92);
    }

    function begin() {
      if (timer !== null || !stream) return;
      box.classList.add("recording");
      timer = setInterval(give, EVERY);
      give();
    }

    function end() {
      clearInterval(timer);
      timer = null;
      box.classList.remove("recording");
    }

    onOff.addEventListener("click", () => (stream ? (off(), say("off")) : on()));
    choice.addEventListener("change", on);
    addEventListener("pagehide", off);
    document.addEventListener("visibilitychange", () => {
      if (document.hidden) end();
      else if (live) begin();
    });
    /* The answer to an image from elsewhere would be gone with the next one of the camera. */
    if (live) document.addEventListener("give", (event) => stream && event.detail.source !== box && (off(), say("off")));
    if (!hold) return;
    const pressed = (event) => event.key === " " || event.key === "Enter";
    hold.addEventListener("pointerdown", (event) => {
      hold.setPointerCapture(event.pointerId);
      begin();
    });
    for (const name of ["pointerup", "pointercancel", "lostpointercapture", "blur"]) hold.addEventListener(name, end);
    hold.addEventListener("contextmenu", (event) => event.preventDefault()); // a long touch is no wish for a menu
    hold.addEventListener("keydown", (event) => {
      if (!pressed(event)) return;
      event.preventDefault();
      if (!event.repeat) begin();
    });
    hold.addEventListener("keyup", (event) => pressed(event) && end());
    /* A screen reader presses without a pointer or a key: it gets one image. */
    hold.addEventListener("click", (event) => event.detail === 0 && event.pointerType === "" && stream && give());
  }

  document.addEventListener("DOMContentLoaded", () => document.querySelectorAll("[data-webcam]").forEach(start));
})();
