// What the page of the search does beyond Sphinx's own: it mends misspelt words, and shows
// excerpts of what a reader reads, without formulas' source and code.
(() => {
  "use strict";
  if (typeof Search !== "object") return;

  // ---- misspelt words

  // Changes of one letter, and exchanges of two neighbours, between two words; never above `most`.
  const distance = (a, b, most) => {
    if (Math.abs(a.length - b.length) > most) return most + 1;
    let before = [], last = [...Array(b.length + 1).keys()];
    for (let i = 1; i <= a.length; i++) {
      const row = [i];
      for (let k = 1; k <= b.length; k++) {
        row[k] = Math.min(row[k - 1] + 1, last[k] + 1, last[k - 1] + (a[i - 1] !== b[k - 1]));
        if (i > 1 && k > 1 && a[i - 1] === b[k - 2] && a[i - 2] === b[k - 1])
          row[k] = Math.min(row[k], before[k - 2] + 1);
      }
      if (Math.min(...row) > most) return most + 1;
      [before, last] = [last, row];
    }
    return last[b.length];
  };

  // Words of titles and of names: what is looked for is most often one of these.
  const known = () => {
    const texts = [...Object.keys(Search._index.alltitles), ...Object.keys(Search._index.indexentries)];
    return new Set(texts.flatMap(text => text.toLowerCase().match(/[\p{L}\d]+/gu) ?? []));
  };

  const near = query => {
    const words = known();
    return query.toLowerCase().trim().split(/\s+/).map(word => {
      const most = word.length < 4 ? 0 : word.length < 8 ? 1 : 2;
      if (words.has(word) || !most) return word;
      const others = [...words].map(other => [distance(word, other, most), other]);
      const [least, best] = others.reduce((a, b) => (b[0] < a[0] ? b : a), [most + 1, word]);
      return least <= most ? best : word;
    }).join(" ");
  };

  const found = query => Search._performSearch(...Search._parseQuery(query)).length;

  // The query itself if it has answers, or if nothing near it has.
  Search.mended = query => {
    const better = found(query) ? query : near(query);
    return found(better) ? better : query;
  };

  const plainQuery = Search.query;
  Search.query = query => {
    const better = Search.mended(query);
    if (better === query) return plainQuery(query);
    const note = document.createElement("p");
    note.className = "ac-mended";
    const answer = document.createElement("strong");
    answer.textContent = better;
    note.append(`Nothing has “${query}”. These pages have `, answer, ":");
    Search.output.before(note);
    plainQuery(better);
  };

  // ---- excerpts

  const plainText = Search.htmlToText;
  const SOURCES = ".math, .cell_input, .highlight, .cell_output, figure, .ac-path, .ac-facts, script, style, summary, .headerlink";
  Search.htmlToText = (html, ...rest) => {
    const page = new DOMParser().parseFromString(html, "text/html");
    for (const formula of page.querySelectorAll("span.math")) formula.replaceWith("…");
    for (const element of page.querySelectorAll(SOURCES)) element.remove();
    const article = page.querySelector("article.bd-article");
    if (article) article.closest('[role="main"]')?.replaceChildren(article);
    return plainText(page.documentElement.outerHTML, ...rest);
  };
})();
