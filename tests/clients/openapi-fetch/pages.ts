// openapi-fetch with the types of openapi-typescript, as its own page shows it: typed calls, without generated code.

import createClient from "openapi-fetch";
import type { paths } from "./schema";

const client = createClient<paths>({
  baseUrl: process.env["STORY_URL"] ?? "",
  headers: { Authorization: `Bearer ${process.env["STORY_TOKEN"] ?? ""}` },
});

export async function networkNames(): Promise<string[]> {
  const names: string[] = [];
  let cursor: string | null = null;
  do {
    const query: { limit: number; cursor?: string } = cursor === null ? { limit: 1 } : { limit: 1, cursor };
    const { data, error } = await client.GET("/v1/networks", { params: { query } });
    if (data === undefined) {
      throw new Error(`${error.code}: ${error.detail}`);
    }
    names.push(...data.items.map((network) => network.name));
    cursor = data.next_cursor;
  } while (cursor !== null);
  return names;
}

export async function dryRun(name: string): Promise<string | null> {
  const { data, error } = await client.POST("/v1/networks", { params: { query: { dry_run: true } }, body: { name } });
  if (data === undefined) {
    throw new Error(`${error.code}: ${error.detail}`);
  }
  return data.id;
}
