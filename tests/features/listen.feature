Feature: Listen
  One, any, all, until, foreach, correlate.

  Scenario: One
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: supplement, name: main, version: '1.0.0' }
    do:
      - l: { listen: { to: { one: { with: { type: order.v1 } } } } }
    """
    When the workflow is executed
    And this event arrives:
    """yaml
    { type: order.v1, source: 'https://shop.example', data: { id: o1, n: 1 } }
    """
    Then the workflow should complete with output:
    """yaml
    [ { id: o1, n: 1 } ]
    """

  Scenario: Others are not heard
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: supplement, name: main, version: '1.0.0' }
    do:
      - l: { listen: { to: { one: { with: { type: order.v1 } } } } }
    """
    When the workflow is executed
    And this event arrives:
    """yaml
    { type: other.v1 }
    """
    Then the workflow should wait

  Scenario: What came before is not heard
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: supplement, name: main, version: '1.0.0' }
    do:
      - w: { wait: PT10S }
      - l: { listen: { to: { one: { with: { type: order.v1 } } } } }
    """
    When the workflow is executed
    And this event arrives:
    """yaml
    { type: order.v1, source: 'https://shop.example', data: { id: o1, n: 1 } }
    """
    Then the workflow should wait

  Scenario: Read as envelope
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: supplement, name: main, version: '1.0.0' }
    do:
      - l: { listen: { to: { one: { with: { type: order.v1 } } }, read: envelope }, output: { as: '.[0] | { type, source }' } }
    """
    When the workflow is executed
    And this event arrives:
    """yaml
    { type: order.v1, source: 'https://shop.example', data: { id: o1, n: 1 } }
    """
    Then the workflow should complete with output:
    """yaml
    { type: order.v1, source: 'https://shop.example' }
    """

  Scenario: By an expression over the data
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: supplement, name: main, version: '1.0.0' }
    do:
      - l: { listen: { to: { one: { with: { type: order.v1, data: '${ .n > 5 }' } } } } }
    """
    When the workflow is executed
    And this event arrives:
    """yaml
    { type: order.v1, source: 'https://shop.example', data: { id: o1, n: 1 } }
    """
    And this event arrives:
    """yaml
    { type: order.v1, source: 'https://shop.example', data: { id: o1, n: 9 } }
    """
    Then the workflow should complete with output:
    """yaml
    [ { id: o1, n: 9 } ]
    """

  Scenario: By members of the data
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: supplement, name: main, version: '1.0.0' }
    do:
      - l: { listen: { to: { one: { with: { data: { n: 2 } } } } } }
    """
    When the workflow is executed
    And this event arrives:
    """yaml
    { type: order.v1, source: 'https://shop.example', data: { id: o1, n: 1 } }
    """
    And this event arrives:
    """yaml
    { type: order.v1, source: 'https://shop.example', data: { id: o1, n: 2 } }
    """
    Then the workflow should complete with output:
    """yaml
    [ { id: o1, n: 2 } ]
    """

  Scenario: Any takes the first
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: supplement, name: main, version: '1.0.0' }
    do:
      - l: { listen: { to: { any: [ { with: { type: a.v1 } }, { with: { type: b.v1 } } ] } } }
    """
    When the workflow is executed
    And this event arrives:
    """yaml
    { type: b.v1, data: { b: 1 } }
    """
    Then the workflow should complete with output:
    """yaml
    [ { b: 1 } ]
    """

  Scenario: Any without filters takes anything
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: supplement, name: main, version: '1.0.0' }
    do:
      - l: { listen: { to: { any: [] } } }
    """
    When the workflow is executed
    And this event arrives:
    """yaml
    { type: b.v1, data: { b: 1 } }
    """
    Then the workflow should complete with output:
    """yaml
    [ { b: 1 } ]
    """

  Scenario: All waits for each
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: supplement, name: main, version: '1.0.0' }
    do:
      - l: { listen: { to: { all: [ { with: { type: a.v1 } }, { with: { type: b.v1 } } ] } } }
    """
    When the workflow is executed
    And this event arrives:
    """yaml
    { type: b.v1, data: 2 }
    """
    And this event arrives:
    """yaml
    { type: b.v1, data: 3 }
    """
    And this event arrives:
    """yaml
    { type: a.v1, data: 1 }
    """
    Then the workflow should complete with output:
    """yaml
    [ 2, 1 ]
    """

  Scenario: Until a condition over all that was heard
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: supplement, name: main, version: '1.0.0' }
    do:
      - l: { listen: { to: { any: [ { with: { type: order.v1 } } ], until: '. | length == 2' } } }
    """
    When the workflow is executed
    And this event arrives:
    """yaml
    { type: order.v1, source: 'https://shop.example', data: { id: o1, n: 1 } }
    """
    And this event arrives:
    """yaml
    { type: order.v1, source: 'https://shop.example', data: { id: o1, n: 2 } }
    """
    And this event arrives:
    """yaml
    { type: order.v1, source: 'https://shop.example', data: { id: o1, n: 3 } }
    """
    Then the workflow should complete with output:
    """yaml
    [ { id: o1, n: 1 }, { id: o1, n: 2 } ]
    """

  Scenario: Until an event
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: supplement, name: main, version: '1.0.0' }
    do:
      - l: { listen: { to: { any: [ { with: { type: order.v1 } } ], until: { one: { with: { type: closed.v1 } } } } } }
    """
    When the workflow is executed
    And this event arrives:
    """yaml
    { type: order.v1, source: 'https://shop.example', data: { id: o1, n: 1 } }
    """
    And this event arrives:
    """yaml
    { type: closed.v1 }
    """
    Then the workflow should complete with output:
    """yaml
    [ { id: o1, n: 1 } ]
    """

  Scenario: Foreach handles one after the other
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: supplement, name: main, version: '1.0.0' }
    do:
      - l:
          listen: { to: { any: [ { with: { type: order.v1 } } ], until: '. | length == 2' } }
          foreach: { item: order, at: nr, do: [ { h: { set: { seen: '${ $order.n * 10 + $nr }' } } } ], output: { as: .seen } }
    """
    When the workflow is executed
    And this event arrives:
    """yaml
    { type: order.v1, source: 'https://shop.example', data: { id: o1, n: 1 } }
    """
    And this event arrives:
    """yaml
    { type: order.v1, source: 'https://shop.example', data: { id: o1, n: 2 } }
    """
    Then the workflow should complete with output:
    """yaml
    [ 10, 21 ]
    """
    And h should run 2 times

  Scenario: Foreach keeps what comes while it is busy
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: supplement, name: main, version: '1.0.0' }
    do:
      - l:
          listen: { to: { any: [ { with: { type: order.v1 } } ], until: '. | length == 2' } }
          foreach: { do: [ { w: { wait: PT10S } }, { h: { set: '${ $item.n }' } } ] }
    """
    When the workflow is executed
    And this event arrives:
    """yaml
    { type: order.v1, source: 'https://shop.example', data: { id: o1, n: 1 } }
    """
    And this event arrives:
    """yaml
    { type: order.v1, source: 'https://shop.example', data: { id: o1, n: 2 } }
    """
    Then the workflow should complete with output:
    """yaml
    [ 1, 2 ]
    """
    And it should take 20 seconds

  Scenario: Foreach exports
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: supplement, name: main, version: '1.0.0' }
    do:
      - l:
          listen: { to: { one: { with: { type: order.v1 } } } }
          foreach: { do: [ { h: { set: '${ $item }' } } ], export: { as: '{ last: .n }' } }
      - c: { set: '${ $context }' }
    """
    When the workflow is executed
    And this event arrives:
    """yaml
    { type: order.v1, source: 'https://shop.example', data: { id: o1, n: 4 } }
    """
    Then the workflow should complete with output:
    """yaml
    last: 4
    """

  Scenario: Correlated with the input
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: supplement, name: main, version: '1.0.0' }
    do:
      - l: { listen: { to: { one: { with: { type: order.v1 }, correlate: { order: { from: .data.id, expect: '${ .wanted }' } } } } } }
    """
    And given the workflow input is:
    """yaml
    wanted: o2
    """
    When the workflow is executed
    And this event arrives:
    """yaml
    { type: order.v1, source: 'https://shop.example', data: { id: o1, n: 1 } }
    """
    And this event arrives:
    """yaml
    { type: order.v1, data: { id: o2 } }
    """
    Then the workflow should complete with output:
    """yaml
    [ { id: o2 } ]
    """

  Scenario: Correlated with each other
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: supplement, name: main, version: '1.0.0' }
    do:
      - l: { listen: { to: { all: [ { with: { type: a.v1 }, correlate: { room: { from: .data.room } } }, { with: { type: b.v1 }, correlate: { room: { from: .data.room } } } ] } } }
    """
    When the workflow is executed
    And this event arrives:
    """yaml
    { type: a.v1, data: { room: r1 } }
    """
    And this event arrives:
    """yaml
    { type: b.v1, data: { room: r2 } }
    """
    And this event arrives:
    """yaml
    { type: b.v1, data: { room: r1, t: 20 } }
    """
    Then the workflow should complete with output:
    """yaml
    [ { room: r1 }, { room: r1, t: 20 } ]
    """

  Scenario: In two branches at once
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: supplement, name: main, version: '1.0.0' }
    do:
      - f: { fork: { branches: [ { a: { listen: { to: { one: { with: { type: a.v1 } } } } } }, { b: { listen: { to: { one: { with: { type: b.v1 } } } } } } ] } }
    """
    When the workflow is executed
    And this event arrives:
    """yaml
    { type: b.v1, data: 2 }
    """
    And this event arrives:
    """yaml
    { type: a.v1, data: 1 }
    """
    Then the workflow should complete with output:
    """yaml
    [ [ 1 ], [ 2 ] ]
    """

  Scenario: An end that has an end is refused
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: supplement, name: main, version: '1.0.0' }
    do:
      - l: { listen: { to: { any: [], until: { any: [], until: 'true' } } } }
    """
    Then the definition should be refused by rule 'event-strategy'
