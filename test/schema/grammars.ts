/**
 * What Mermaid and Graphviz would read, as strictly as their grammars say and no more: Mermaid's lexer of erDiagram
 * (erDiagram.jison, narrowed to what all versions since 10 take), and as much of DOT and its markup as a diagram of tables needs.
 */

export interface Read {
  readonly entities: ReadonlyArray<{ readonly name: string; readonly attributes: ReadonlyArray<ReadonlyArray<string>> }>
  readonly relations: ReadonlyArray<readonly [left: string, line: string, right: string, label: string]>
}

const broken = (what: string, at: string): never => {
  throw new Error(`${what}: ${JSON.stringify(at)}`)
}

const quoted = String.raw`"([^"%\r\n\v\b\\]+)"`
const direction = /direction\s+(?:TB|BT|RL|LR)/i
const comment = /%%|^\s*(?:---|accTitle\s*:|accDescr\s*[:{])/i

/** Token by token, the first rule that matches, as the lexer does. */
const attribute = (text: string): ReadonlyArray<string> => {
  const rules: ReadonlyArray<readonly [string, RegExp]> = [
    ["", /^[ ]+/],
    ["key", /^(?:PK|FK|UK)\b/i],
    ["generic", /^\S*~.*~\S*/],
    ["word", /^[A-Za-z_\u00C0-\uFFFF][A-Za-z0-9\-_[\]()\u00C0-\uFFFF]*/],
    ["comment", /^"[^"]*"/],
    ["comma", /^,/]
  ]
  const tokens: Array<readonly [string, string]> = []
  let rest = text
  while (rest !== "") {
    const [kind, found] = rules
      .map(([kind, rule]) => [kind, rule.exec(rest)?.[0]] as const)
      .find(([, found]) => found !== undefined) ?? ["", broken("no token", rest)]
    if (kind !== "") tokens.push([kind, found ?? ""])
    rest = rest.slice(found?.length)
  }
  const kinds = tokens.map(([kind]) => kind).join(" ")
  if (!/^word word(?: key(?: comma key)*)?(?: comment)?$/.test(kinds)) broken(`no attribute (${kinds})`, text)
  return tokens.filter(([kind]) => kind !== "comma").map(([, found]) => found)
}

/** Throws where Mermaid would. */
export const readMermaid = (text: string): Read => {
  const [first, ...lines] = text.split("\n")
  if (first !== "erDiagram" || lines.pop() !== "") broken("no diagram", text)
  const entities: Array<{ name: string; attributes: Array<ReadonlyArray<string>> }> = []
  const relations: Array<Read["relations"][number]> = []
  let open: (typeof entities)[number] | undefined
  for (const line of lines) {
    if (direction.test(line) || comment.test(line)) broken("something else to Mermaid", line)
    const begin = new RegExp(`^  ${quoted} \\{$`).exec(line)
    const relation = new RegExp(`^  ${quoted} (\\|\\||\\|o)(--)(o\\||o\\{) ${quoted} : ${quoted}$`).exec(line)
    if (open !== undefined && line === "  }") open = undefined
    else if (open !== undefined) open.attributes.push(attribute(line))
    else if (begin !== null) {
      open = { name: begin[1] ?? "", attributes: [] }
      if (entities.some(({ name }) => name === open?.name)) broken("twice", line)
      entities.push(open)
    } else if (relation !== null) {
      const [, left = "", one, between, other, right = "", label = ""] = relation
      for (const end of [left, right]) if (!entities.some(({ name }) => name === end)) broken("no entity", end)
      relations.push([left, `${one}${between}${other}`, right, label])
    } else broken("no statement", line)
  }
  if (open !== undefined) broken("not closed", text)
  return { entities, relations }
}

const id = String.raw`"((?:[^"\\]|\\.)*)"`
const character = String.raw`(?:[^<>&"\p{Cc}\p{Cs}]|&(?:amp|lt|gt|quot|#160);)`

/** Throws where Graphviz would. */
export const readDot = (text: string) => {
  const names: Array<string> = []
  const rest = text.replace(
    new RegExp(`^  ${id} \\[label=<(<TABLE(?: [A-Z]+="\\d")*>[\\s\\S]*?</TABLE>)>\\]\\n`, "gmu"),
    (_, name: string, table: string) => {
      if (names.includes(name)) broken("twice", name)
      names.push(name)
      const cell = `<TD(?: [A-Z]+="\\w+")*>(?:${character}+|<B>${character}+</B>)</TD>`
      if (!new RegExp(`^<TABLE[^>]*>\\s*(?:<TR>(?:${cell})+</TR>\\s*)+</TABLE>$`, "u").test(table))
        broken("no table", table)
      return ""
    }
  )
  const edge = new RegExp(`^  ${id}(?::c\\d+)? -> ${id}(?::c\\d+)? \\[arrowtail=(\\w+), arrowhead=(\\w+)\\]$`)
  const [head, ...lines] = rest.split("\n").filter((line) => !/^ {2}(?:graph|node|edge) \[\w+=\w+\]$/.test(line))
  if (head !== "digraph {" || lines.splice(-2).join() !== "},") broken("no graph", rest)
  const edges = lines.map((line) => {
    const [, child = "", parent = "", tail, arrow] = edge.exec(line) ?? broken("no statement", line)
    for (const end of [child, parent]) if (!names.includes(end)) broken("no node", end)
    return [child, tail, arrow, parent]
  })
  return { names, edges }
}
