import type { BudgetedMessage, MessageBudget } from "../domain/message-budget.ts";

/**
 * Does work that sends one message of a budget; unless it says that the message goes out, the budget has it back.
 * @throws Failure RATE_LIMITED where the budget of the caller, or of all, is used up
 */
export async function budgeted<T>(
  budget: MessageBudget,
  caller: string,
  message: BudgetedMessage,
  work: (sent: () => void) => Promise<T>,
): Promise<T> {
  const putBack = await budget.take(caller, message);
  let isSent = false;
  try {
    return await work(() => {
      isSent = true;
    });
  } finally {
    if (!isSent) putBack();
  }
}
