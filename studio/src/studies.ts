/** The studies that there are. */

import { answered, type Schemas } from "@picture-tuning/client";
import { api } from "./api";

/** What a view dispatches on the window when it has begun, archived or restored a study. */
export const STUDIES_CHANGED = "studio:studies";

/** Every study by name, archived ones too, page by page. */
export async function allStudies(signal: AbortSignal): Promise<Schemas["StudyDescription"][]> {
  const studies: Schemas["StudyDescription"][] = [];
  let cursor: string | null = null;
  do {
    const query: { limit: number; cursor?: string } = cursor === null ? { limit: 200 } : { limit: 200, cursor };
    const page: Schemas["Studies"] = await answered(api.GET("/ml/studies", { params: { query }, signal }));
    studies.push(...page.studies);
    cursor = page.next_cursor ?? null;
  } while (cursor !== null);
  return studies;
}
