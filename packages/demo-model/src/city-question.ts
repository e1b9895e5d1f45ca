/** A tool that answers a question about a city. */
export interface CityQuestion {
  tool: string;
  city: string;
}

const topics = [
  { tool: 'get_weather', words: /\b(?:weather|temperature|forecast|raining|sunny)\b/gi },
  { tool: 'get_time', words: /\b(?:time|clock)\b/gi },
];

const name = String.raw`(?!(?:What|How|Is|Who|When|Where|Which|Tell|Please|And)\b)(?:St\.|\p{Lu}[\p{L}'’-]*)(?:\s+(?:(?:de|da|do|del|la|le|of|upon)\s+)?\p{Lu}[\p{L}'’-]*)*`;
const capitalised = new RegExp(
  String.raw`\b[iI]n\s+(${name}(?:(?:,\s*|,?\s+and\s+)${name})*)|\b(?:for|of|at)\s+(${name})`,
  'gu',
);
const lowerCase = /\bin\s+(?!the\b|a\b|an\b|my\b|this\b|which\b|what\b)([\p{L}'’-]+)/giu;

/**
 * The weather and time questions of a text, as far as the tools for them are offered: each topic with the cities named
 * after it, or else those named before it. Each pair once, at most eight.
 */
export function cityQuestions(text: string, tools: readonly string[]): CityQuestion[] {
  const question = text.slice(0, 2_000);
  const places = placesIn(question);
  const found = new Map<string, CityQuestion>();
  for (const { tool, words } of topics) {
    if (!tools.includes(tool)) continue;
    for (const mention of question.matchAll(words)) {
      const place = places.find(({ at }) => at > mention.index) ?? places.findLast(({ at }) => at < mention.index);
      for (const city of place?.cities ?? []) found.set(`${tool} ${city}`, { tool, city });
    }
  }
  return [...found.values()].slice(0, 8);
}

function placesIn(question: string): { at: number; cities: string[] }[] {
  const named = [...question.matchAll(capitalised)].map((match) => ({
    at: match.index,
    cities: (match[1] ?? match[2] ?? '')
      .split(/,\s*(?:and\s+)?|\s+and\s+/)
      .map((city) => city.replace(/[.'’-]+$|['’]s$/u, '')),
  }));
  if (named.length > 0) return named;
  return [...question.matchAll(lowerCase)].map((match) => ({ at: match.index, cities: [titleCase(match[1] ?? '')] }));
}

function titleCase(word: string): string {
  return word.charAt(0).toUpperCase() + word.slice(1);
}
