/** What the operator says about all that is sold. */
export interface Titles {
  readonly title: string | undefined
  readonly description: string | undefined
}
