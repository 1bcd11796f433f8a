// Colours in code: comments, strings and words of the language. Enough for the programs that this page writes.

const TOKEN = /(?<comment>(?:^|(?<=\s))(?:#|\/\/).*$)|(?<string>"(?:\\.|[^"\\\n])*"|'(?:[^'\\\n]|\\.)*'|`[^`]*`)|(?<word>\b(?:import|from|with|open|as|for|in|if|of|def|async|await|const|let|new|print|assert|break|throw|return|curl|class)\b)|(?<flag>(?<=\s)--?[A-Za-z-]+\b)/gm;

/** The code as a list of texts and elements. */
export function highlighted(code) {
  const parts = [];
  let done = 0;
  for (const match of code.matchAll(TOKEN)) {
    const [kind] = Object.entries(match.groups).find(([, text]) => text !== undefined);
    parts.push(code.slice(done, match.index), Object.assign(document.createElement("span"), { className: `code-${kind}`, textContent: match[0] }));
    done = match.index + match[0].length;
  }
  return [...parts, code.slice(done)];
}
