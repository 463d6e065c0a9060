// Bytes of the embedded file, decoded in slices so that a large one does not need many times its size.
function embedded() {
  const island = document.getElementById("media");
  const text = island.textContent.trim();
  if (!text) return null;
  const slice = 4 * 65536;
  const parts = [];
  for (let at = 0; at < text.length; at += slice) {
    parts.push(Uint8Array.from(atob(text.slice(at, at + slice)), (character) => character.charCodeAt(0)));
  }
  island.textContent = "";
  return URL.createObjectURL(new Blob(parts, { type: data.mime }));
}
