const words: [RegExp, string][] = [
  [/\bplus\b/gi, '+'],
  [/\bminus\b/gi, '-'],
  [/\b(?:times|multiplied by)\b/gi, '*'],
  [/\bdivided by\b/gi, '/'],
  [/(?<=[\d)\s])x(?=[\d(\s])|×/g, '*'],
  [/÷/g, '/'],
];

/** Answers a question that is a sum (`what is 12*7`), as a sentence; null where it is not one. */
export function arithmeticIn(question: string): string | null {
  let text = question.slice(0, 200);
  for (const [pattern, sign] of words) text = text.replace(pattern, sign);
  const sum =
    /^(?:(?:please|what is|what's|whats|how much is|calculate|compute)\s+)*([\d\s.+\-*/()]+?)\s*(?:=\s*)?[?.!]*\s*$/i.exec(
      text,
    );
  const expression = sum?.[1]?.trim();
  if (expression === undefined || !/\d\s*[+\-*/]/.test(expression)) return null;
  const value = evaluate(expression);
  if (value === null) return null;
  if (!Number.isFinite(value)) return `${expression} has no result: one cannot divide by zero.`;
  return `${expression} = ${Number(value.toPrecision(12))}.`;
}

function evaluate(expression: string): number | null {
  const tokens = expression.match(/\d+(?:\.\d+)?|[+\-*/()]|\S/g) ?? [];
  let at = 0;

  function factor(): number | null {
    const token = tokens[at];
    at += 1;
    if (token === undefined) return null;
    if (token === '-') {
      const value = factor();
      return value === null ? null : -value;
    }
    if (token === '(') {
      const value = sum();
      if (tokens[at] !== ')') return null;
      at += 1;
      return value;
    }
    return /^\d/.test(token) ? Number(token) : null;
  }

  function product(): number | null {
    let value = factor();
    while (value !== null && (tokens[at] === '*' || tokens[at] === '/')) {
      const sign = tokens[at];
      at += 1;
      const right = factor();
      if (right === null) return null;
      value = sign === '*' ? value * right : value / right;
    }
    return value;
  }

  function sum(): number | null {
    let value = product();
    while (value !== null && (tokens[at] === '+' || tokens[at] === '-')) {
      const sign = tokens[at];
      at += 1;
      const right = product();
      if (right === null) return null;
      value = sign === '+' ? value + right : value - right;
    }
    return value;
  }

  const value = sum();
  return at === tokens.length ? value : null;
}
