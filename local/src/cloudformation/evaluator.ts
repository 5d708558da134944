/**
 * Evaluates the intrinsic functions of CloudFormation templates over all stacks of an assembly. What it does not know,
 * it refuses with the place in the template.
 *
 * https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/intrinsic-function-reference.html
 */
import type { Stack, TemplateResource } from "../assembly.ts";
import { LocalCloudError } from "../localCloudError.ts";
import { identifiersOf, type Identifiers } from "./identifiers.ts";

/** Stands for a property that `AWS::NoValue` removes. */
const NO_VALUE = Symbol("AWS::NoValue");

export interface Evaluator {
  /** The value of `expression` in `stack`, with every intrinsic resolved. `where` names the place for errors. */
  evaluate(stack: Stack, expression: unknown, where: string): unknown;
  /** Whether the resource exists, by its `Condition`. */
  exists(stack: Stack, logicalId: string): boolean;
  /** The evaluated outputs of a stack by name. */
  outputs(stack: Stack): Readonly<Record<string, unknown>>;
  identifiers(stack: Stack, logicalId: string): Identifiers | null;
}

export function createEvaluator(stacks: readonly Stack[]): Evaluator {
  const evaluator: Evaluator = {
    evaluate(stack, expression, where) {
      const value = evaluate(stack, expression, where);
      return value === NO_VALUE ? undefined : value;
    },
    exists: (stack, logicalId) => isIncluded(stack, resourceOf(stack, logicalId, logicalId).Condition, logicalId),
    outputs: (stack) =>
      Object.fromEntries(
        Object.entries(stack.template.Outputs ?? {})
          .filter(([name, output]) => isIncluded(stack, output.Condition, name))
          .map(([name, output]) => [name, evaluator.evaluate(stack, output.Value, `${stack.name}.Outputs.${name}`)]),
      ),
    identifiers: (stack, logicalId) => identifiers(stack, logicalId, logicalId),
  };
  return evaluator;

  function evaluate(stack: Stack, expression: unknown, where: string): unknown {
    if (Array.isArray(expression)) {
      return expression.map((item, index) => evaluate(stack, item, `${where}[${index}]`)).filter((v) => v !== NO_VALUE);
    }
    if (typeof expression !== "object" || expression === null) return expression;
    const entries = Object.entries(expression);
    const [first] = entries;
    if (
      entries.length === 1 &&
      first &&
      (first[0] === "Ref" || first[0] === "Condition" || first[0].startsWith("Fn::"))
    ) {
      // "Condition" is an intrinsic only where its value is a name; in an IAM statement it is an object.
      if (first[0] !== "Condition" || typeof first[1] === "string") return intrinsic(stack, first[0], first[1], where);
    }
    return Object.fromEntries(
      entries.map(([key, value]) => [key, evaluate(stack, value, `${where}.${key}`)]).filter(([, v]) => v !== NO_VALUE),
    );
  }

  function intrinsic(stack: Stack, name: string, argument: unknown, where: string): unknown {
    const args = (): readonly unknown[] => {
      const value = evaluate(stack, argument, where);
      if (!Array.isArray(value)) throw new LocalCloudError(`${where}: ${name} takes a list`);
      return value;
    };
    const strings = (value: unknown): readonly string[] => {
      if (!Array.isArray(value)) throw new LocalCloudError(`${where}: ${name} takes a list of strings`);
      return value.map(String);
    };
    switch (name) {
      case "Ref":
        return ref(stack, String(argument), where);
      case "Fn::GetAtt": {
        const [logicalId, attribute] =
          typeof argument === "string"
            ? [argument.slice(0, argument.indexOf(".")), argument.slice(argument.indexOf(".") + 1)]
            : strings(args());
        return getAtt(stack, logicalId ?? "", attribute ?? "", where);
      }
      case "Fn::Join": {
        const [separator, parts] = args();
        return strings(parts).join(String(separator));
      }
      case "Fn::Sub":
        return substitute(stack, argument, where);
      case "Fn::Select": {
        const [index, list] = args();
        const selected = Array.isArray(list) ? (list as unknown[])[Number(index)] : undefined;
        if (selected === undefined) throw new LocalCloudError(`${where}: Fn::Select ${String(index)} selects nothing`);
        return selected;
      }
      case "Fn::Split": {
        const [separator, text] = args();
        return String(text).split(String(separator));
      }
      case "Fn::If": {
        const [condition, yes, no] = argument as readonly unknown[];
        return evaluate(stack, isIncluded(stack, String(condition), where) ? yes : no, where);
      }
      case "Condition":
        return isIncluded(stack, String(argument), where);
      case "Fn::Equals": {
        const [left, right] = args();
        return JSON.stringify(left) === JSON.stringify(right);
      }
      case "Fn::And":
        return args().every(Boolean);
      case "Fn::Or":
        return args().some(Boolean);
      case "Fn::Not":
        return !args()[0];
      case "Fn::FindInMap": {
        const [map, first, second] = strings(args());
        const found = stack.template.Mappings?.[map ?? ""]?.[first ?? ""]?.[second ?? ""];
        if (found === undefined) throw new LocalCloudError(`${where}: no mapping ${map}.${first}.${second}`);
        return found;
      }
      case "Fn::ImportValue":
        return importValue(String(evaluate(stack, argument, where)), where);
      case "Fn::GetStackOutput": {
        const { StackName, OutputName } = evaluate(stack, argument, where) as { StackName: string; OutputName: string };
        const owner = stacks.find((candidate) => candidate.name === StackName);
        const output = owner?.template.Outputs?.[OutputName];
        if (!owner || !output) throw new LocalCloudError(`${where}: no output ${OutputName} in stack ${StackName}`);
        return evaluate(owner, output.Value, `${owner.name}.Outputs.${OutputName}`);
      }
      default:
        throw new LocalCloudError(`${where}: intrinsic ${name} is not understood`);
    }
  }

  function ref(stack: Stack, name: string, where: string): unknown {
    switch (name) {
      case "AWS::Region":
        return stack.region;
      case "AWS::AccountId":
        return stack.account;
      case "AWS::Partition":
        return "aws";
      case "AWS::URLSuffix":
        return "amazonaws.com";
      case "AWS::StackName":
        return stack.name;
      case "AWS::StackId":
        return `arn:aws:cloudformation:${stack.region}:${stack.account}:stack/${stack.name}/local`;
      case "AWS::NoValue":
        return NO_VALUE;
    }
    const parameter = stack.template.Parameters?.[name];
    if (parameter) {
      if (parameter.Default === undefined) throw new LocalCloudError(`${where}: parameter ${name} has no default`);
      return parameter.Default;
    }
    const found = identifiers(stack, name, where);
    if (!found) throw new LocalCloudError(`${where}: Ref to ${name} (${typeOf(stack, name)}) is not understood`);
    return found.ref;
  }

  function getAtt(stack: Stack, logicalId: string, attribute: string, where: string): string {
    const value = identifiers(stack, logicalId, where)?.attributes[attribute];
    if (value === undefined) {
      throw new LocalCloudError(
        `${where}: attribute ${attribute} of ${logicalId} (${typeOf(stack, logicalId)}) is not understood`,
      );
    }
    return value;
  }

  function substitute(stack: Stack, argument: unknown, where: string): string {
    const [text, variables] = Array.isArray(argument)
      ? [String(argument[0]), evaluate(stack, argument[1], where) as Readonly<Record<string, unknown>>]
      : [String(argument), {}];
    return text.replace(/\$\{(!?)([^}]+)\}/g, (_, literal: string, name: string) => {
      if (literal) return `\${${name}}`;
      if (name in variables) return String(variables[name]);
      const dot = name.indexOf(".");
      return dot < 0 ? String(ref(stack, name, where)) : getAtt(stack, name.slice(0, dot), name.slice(dot + 1), where);
    });
  }

  function importValue(name: string, where: string): unknown {
    for (const stack of stacks) {
      for (const [outputName, output] of Object.entries(stack.template.Outputs ?? {})) {
        const place = `${stack.name}.Outputs.${outputName}`;
        if (output.Export && evaluate(stack, output.Export.Name, place) === name)
          return evaluate(stack, output.Value, place);
      }
    }
    throw new LocalCloudError(`${where}: no stack exports ${name}`);
  }

  function isIncluded(stack: Stack, condition: string | undefined, where: string): boolean {
    if (condition === undefined) return true;
    const expression = stack.template.Conditions?.[condition];
    if (expression === undefined) throw new LocalCloudError(`${where}: condition ${condition} is not defined`);
    return Boolean(evaluate(stack, expression, `${stack.name}.Conditions.${condition}`));
  }

  function identifiers(stack: Stack, logicalId: string, where: string): Identifiers | null {
    const resource = resourceOf(stack, logicalId, where);
    const place = { stack: stack.name, logicalId, region: stack.region, account: stack.account };
    return identifiersOf(resource.Type, place, (name) => {
      const value = resource.Properties?.[name];
      return value === undefined ? undefined : String(evaluate(stack, value, `${stack.name}.${logicalId}.${name}`));
    });
  }

  function resourceOf(stack: Stack, logicalId: string, where: string): TemplateResource {
    const resource = stack.template.Resources?.[logicalId];
    if (!resource) throw new LocalCloudError(`${where}: stack ${stack.name} has no resource ${logicalId}`);
    return resource;
  }

  function typeOf(stack: Stack, logicalId: string): string {
    return stack.template.Resources?.[logicalId]?.Type ?? "unknown";
  }
}
